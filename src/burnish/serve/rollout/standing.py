"""What was set over HTTP for a model, kept so that a restart of the service goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from burnish.core.errors import BurnishError, did_you_mean
from burnish.core.files import digest, write_text
from burnish.core.noun import Noun
from burnish.data.locate import cache_folder
from burnish.serve.rollout.record import Decision
from burnish.serve.rollout.router import Router, number
from burnish.serve.rollout.settings import Rollout


class Standing(Noun):
    """Settings in place of the model's file: `file` is what it said then, `decision` what a gate said since."""

    model: str
    settings: Rollout
    file: Rollout | None = None
    decision: Decision | None = None


def place(model: str, folders: Mapping[str, Path]) -> Path:
    """Where a model's is kept; `folders` are those of its versions. A model of that name elsewhere has another one."""
    version = min(folders, key=number)
    home = folders[version].parent if folders[version].name == version else folders[version]
    return cache_folder() / "serve" / "standing" / f"{digest(model, str(home.resolve()))}.json"


def remember(path: Path, standing: Standing) -> bool:
    """Write it down, whole or not at all; False where the disk does not let us."""
    try:
        write_text(path, standing.to_json())
    except (OSError, BurnishError):
        return False
    return True


def recall(path: Path) -> Standing | None:
    """What was set before; None when nothing was or it cannot be read."""
    try:
        return Standing.from_json(path.read_text(), where=str(path))
    except (OSError, UnicodeDecodeError, BurnishError):
        return None


def forget(path: Path) -> None:
    """Begin afresh with the model's file. A folder that is read-only keeps what it has."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def fitted(standing: Standing, versions: Collection[str], say: Callable[[str], None]) -> Rollout:
    """The settings without versions that are gone, each of which is named."""
    settings, model = standing.settings, standing.model
    for label, version in settings.labels.items():
        if version not in versions:
            say(f"{model}: label {label!r} is left out, version {version} is gone{_near(version, versions)}")
    router = Router(model, settings, versions)
    if settings.candidate and not router.candidate:
        say(f"{model}: the rollout of {settings.candidate!r} is left out, that version is gone")
    elif router.candidate and router.candidate == router.stable:
        say(f"{model}: the rollout of version {router.candidate} is left out, there is no other one beside it")
        return Rollout(labels=router.labels)
    return router.trimmed


def _near(version: str, versions: Collection[str]) -> str:
    hint = did_you_mean(version, versions)
    return f" ({hint})" if hint else ""
