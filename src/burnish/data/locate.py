"""Where data lie on this machine: a given path, an environment variable, known places.

Nothing is downloaded here. What is missing is an error with the one command that fetches it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from burnish.core.errors import MissingData


def locate(
    what: str,
    *,
    needs: tuple[str, ...] = (),
    given: str | Path | None = None,
    variable: str = "",
    places: Iterable[Path] = (),
    help: str,
) -> Path:
    """The first existing path: `given`, else what the environment `variable` says, else `places`.

    A folder counts when it holds every name in `needs`. A path that the user gave, here or in the
    environment, is never passed over for another. Raises `MissingData` with `help`, a command.
    """
    told = os.environ.get(variable, "") if variable else ""
    if given is not None or told:
        path = Path(given if given is not None else told).expanduser()
        lacking = _lacking(path, needs)
        if lacking:
            source = "" if given is not None else f", from {variable}"
            raise MissingData(f"{what} is not there", where=f"{path}{source}", why=f"missing: {lacking}", help=help)
        return path
    looked = list(places)
    for path in looked:
        if not _lacking(path, needs):
            return path
    raise MissingData(
        f"{what} is not on this machine",
        where="looked at " + ", ".join(map(str, looked)) if looked else "",
        why=f"neither a path nor {variable} was given" if variable else "",
        help=help,
    )


def cache_folder() -> Path:
    """Where decoded data may be kept between runs: `BURNISH_CACHE`, or `~/.cache/burnish`."""
    told = os.environ.get("BURNISH_CACHE")
    return Path(told).expanduser() if told else Path.home() / ".cache" / "burnish"


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, found without importing it; None when not installed."""
    spec = find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None


def _lacking(path: Path, needs: tuple[str, ...]) -> str:
    if not path.exists():
        return path.name
    return ", ".join(name for name in needs if not (path / name).exists())
