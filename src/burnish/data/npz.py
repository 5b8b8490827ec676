"""Named arrays in one `.npz` file, as `numpy.savez` writes them. Never unpickles."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData, MissingData


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays by name. Raises `MissingData`, and `BadData` on another kind of file or no numbers."""
    if not path.is_file():
        raise MissingData("there is no such file", where=str(path), help="check the path")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise BadData(
            "this is no .npz file of numbers",
            where=str(path),
            why=str(error),
            help="write it with numpy.savez(path, name=array, ...)",
        ) from error
