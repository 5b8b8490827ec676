"""Where models come from: artifact folders, and repositories of several models and versions.

resnet/manifest.json              an artifact: model `resnet`, version 1
models/resnet/manifest.json       a repository: the same
models/resnet/3/manifest.json     version 3 of it
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from burnish.artifact.layout import MANIFEST
from burnish.artifact.load import read_manifest
from burnish.core.errors import ArtifactError, RecipeError

Models = dict[str, dict[str, Path]]
"""Folders by model name and version."""


def find_models(paths: Sequence[Path]) -> Models:
    """Every model and version under these paths. Raises `ArtifactError`, `RecipeError` on the same one twice."""
    found: Models = {}
    for path in paths:
        if not path.is_dir():
            raise ArtifactError("no such folder", where=str(path), help="give an artifact's folder or a repository")
        if (path / MANIFEST).is_file():
            _add(found, read_manifest(path).name, "1", path)
            continue
        for folder in sorted(child for child in path.iterdir() if child.is_dir()):
            _add_model(found, folder)
    if not found:
        raise ArtifactError(
            "no artifact here",
            where=", ".join(map(str, paths)),
            help="give a folder with manifest.json, or one of such folders: MODEL/VERSION/manifest.json",
        )
    return found


def _add_model(found: Models, folder: Path) -> None:
    if (folder / MANIFEST).is_file():
        _add(found, folder.name, "1", folder)
        return
    for version in sorted(folder.iterdir()):
        if version.name.isdigit() and (version / MANIFEST).is_file():
            _add(found, folder.name, version.name, version)


def _add(found: Models, model: str, version: str, folder: Path) -> None:
    earlier = found.setdefault(model, {}).get(version)
    if earlier is not None:
        raise RecipeError(
            f"model {model!r} has version {version} twice",
            where=f"{earlier}, {folder}",
            help="put them into a repository: MODEL/1/manifest.json, MODEL/2/manifest.json",
        )
    found[model][version] = folder
