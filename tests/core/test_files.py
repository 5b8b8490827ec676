import errno
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from burnish.core import files
from burnish.core.errors import OutputError
from burnish.core.files import digest, explain_io, lock_folder, new_folder, sha256, write_bytes, write_text


def failing(code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return fail


def test_hashes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a" * 3_000_000)
    assert sha256(path) == hashlib.sha256(b"a" * 3_000_000).hexdigest()


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
@settings(max_examples=200)
def test_a_digest_knows_where_parts_end(one, other):
    assert (digest(*one) == digest(*other)) == (one == other)


def test_writing_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_text(path, "first")
    write_bytes(path, b"second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "cannot write here"),
        (errno.EACCES, "cannot write here"),
    ],
)
def test_a_disk_that_fails_is_an_error_with_a_fix_and_the_old_file_stays(tmp_path, monkeypatch, code, what):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", failing(code))
    with pytest.raises(OutputError, match=what) as caught:
        write_text(path, "new")
    assert caught.value.where == str(path) and "--out" in caught.value.help
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "mkstemp", failing(errno.EROFS))
    with pytest.raises(OutputError, match="cannot write here") as caught:
        write_text(tmp_path / "x", "new")
    assert caught.value.why == "Read-only file system"


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputError, match="a file is in the way"), lock_folder(tmp_path / "x"):
        pass
    with pytest.raises(OutputError, match="a file is in the way"):
        write_text(tmp_path / "x" / "y", "")


def test_other_errors_pass_through():
    with pytest.raises(FileNotFoundError), explain_io(Path("x")):
        Path("does/not/exist").read_text()


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "out"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"
    with new_folder(target) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_folder_that_is_not_finished_leaves_nothing_and_the_old_one_stays(tmp_path, error):
    target = tmp_path / "out"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(type(error)), new_folder(target) as folder:
        (folder / "a").write_text("half")
        raise error
    assert (target / "a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_inside_a_folder_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OutputError, match="full"), new_folder(tmp_path / "out") as folder:
        write_text(folder / "a", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_of_a_folder_is_refused(tmp_path):
    with (
        lock_folder(tmp_path),
        pytest.raises(OutputError, match="another run is writing") as caught,
        lock_folder(tmp_path),
    ):
        raise AssertionError("two writers")
    assert caught.value.where == str(tmp_path) and "--out" in caught.value.help
    with lock_folder(tmp_path):
        pass


def test_a_lock_dies_with_its_process(tmp_path):
    code = (
        "import sys, os\nfrom pathlib import Path\nfrom burnish.core.files import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    with lock_folder(tmp_path):
        assert (tmp_path / files._LOCK).exists()
