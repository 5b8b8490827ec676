"""Recipes that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped_recipes() -> dict[str, Path]:
    """Their YAML files by name."""
    folder = Path(str(files("burnish.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def summary(path: Path) -> str:
    """What the recipe says about itself in its first line."""
    return path.read_text().partition("\n")[0].lstrip("# ")
