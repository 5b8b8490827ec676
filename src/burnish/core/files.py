"""Files that are never half-written: temporary name, then rename; hashes; one writer per folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from burnish.core.errors import OutputError

_LOCK = ".burnish-lock"


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest(*parts: str | bytes) -> str:
    """Hex digest of several texts, unambiguous about where one ends."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing. Raises `OutputError`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing. Raises `OutputError`."""
    with new_file(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file under a temporary name; it takes its place, whole and on the disk, when the block ends well.

    Raises `OutputError`.
    """
    with explain_io(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its place whole when the block ends well.

    An existing folder of that name is replaced. Raises `OutputError`.
    """
    with explain_io(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        work.chmod(0o755)
        try:
            yield work
            old = path.with_name(f".{path.name}.old-{os.getpid()}")
            if path.exists():
                path.rename(old)
            work.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """An empty folder for the length of a block; what an earlier, killed run left there is removed."""
    shutil.rmtree(path, ignore_errors=True)
    with explain_io(path):
        path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold a folder for one process; a second one gets `OutputError`. Gone when the process dies."""
    with explain_io(path):
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                "another run is writing to this folder",
                where=str(path),
                help="wait for it to end, or give this run another --out",
            ) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def explain_io(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into `OutputError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = "free some space, or give another --out"
            raise OutputError("the disk is full", where=str(path), help=free) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            other = "make it writable, or give another --out"
            raise OutputError("cannot write here", where=str(path), why=str(error.strerror), help=other) from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise OutputError(
                "a file is in the way of this folder", where=str(path), help="give another --out"
            ) from error
        raise
