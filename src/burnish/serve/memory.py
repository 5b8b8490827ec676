"""What was learned about a model's times, kept from one start of the service to the next."""

from __future__ import annotations

import asyncio
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.core.files import digest, write_text
from burnish.core.machine import fingerprint
from burnish.core.manifest import Manifest
from burnish.core.noun import Noun
from burnish.data.locate import cache_folder
from burnish.serve.profile import Observed, Profile

_EVERY_S = 30.0


class Learned(Noun):
    """The file."""

    observed: tuple[Observed, ...]


def place(manifest: Manifest, threads: int) -> Path:
    """Where the times of this program, on this machine and with that many threads, are kept."""
    key = digest(manifest.content_hash, fingerprint().label, str(threads))
    return cache_folder() / "serve" / f"{key}.json"


def remember(path: Path, observed: tuple[Observed, ...]) -> None:
    """Write everything down. A disk that is full or read-only costs only the memory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, Learned(observed=observed).to_json(indent=None))
    except (OSError, BurnishError):
        return


def recall(path: Path, profile: Profile) -> bool:
    """Take up what was written down; False when there is nothing, or nothing that can be read."""
    try:
        profile.restore(Learned.from_json(path.read_text()).observed)
    except (OSError, UnicodeDecodeError, BurnishError):
        return False
    return True


class Memory:
    """Keeps a profile on disk from `start` to `stop`."""

    def __init__(self, path: Path, profile: Profile) -> None:
        self._path = path
        self._profile = profile
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write down what was learned every half minute."""
        self._writing = asyncio.get_running_loop().create_task(self._write())

    def stop(self) -> None:
        """Write it down for the last time, if it was started."""
        if self._writing is not None:
            self._writing.cancel()
            remember(self._path, self._profile.observed())

    async def _write(self) -> None:
        """In a thread: until the disk has it, the event loop would answer nobody."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await asyncio.to_thread(remember, self._path, self._profile.observed())
