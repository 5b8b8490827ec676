"""What was learned about a model's times, kept from one start of the service to the next."""

from __future__ import annotations

from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.core.files import digest, write_text
from burnish.core.machine import fingerprint
from burnish.core.manifest import Manifest
from burnish.core.noun import Noun
from burnish.data.locate import cache_folder
from burnish.serve.profile import Observed, Profile


class Learned(Noun):
    """The file."""

    observed: tuple[Observed, ...]


def place(manifest: Manifest, threads: int) -> Path:
    """Where the times of this program, on this machine and with that many threads, are kept."""
    key = digest(manifest.content_hash, fingerprint().label, str(threads))
    return cache_folder() / "serve" / f"{key}.json"


def remember(path: Path, profile: Profile) -> None:
    """Write everything down. A disk that is full or read-only costs only the memory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, Learned(observed=profile.observed()).to_json(indent=None))
    except (OSError, BurnishError):
        return


def recall(path: Path, profile: Profile) -> bool:
    """Take up what was written down; False when there is nothing, or nothing that can be read."""
    try:
        profile.restore(Learned.from_json(path.read_text()).observed)
    except (OSError, UnicodeDecodeError, BurnishError):
        return False
    return True
