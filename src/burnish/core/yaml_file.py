"""YAML in and out; the only file that imports yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from burnish.core.errors import RecipeError


def read_yaml(path: Path, *, what: str = "recipe", start: str = "workload: digits") -> dict[str, Any]:
    """A mapping from a file. Raises `RecipeError` with line and column.

    `what` the file is and a line that one can `start` with are for the errors.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise RecipeError(f"cannot read the {what}", where=str(path), why=str(error.strerror)) from None
    except UnicodeDecodeError as error:
        raise RecipeError("not YAML", where=str(path), why=str(error)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise RecipeError("not YAML", where=place, why=str(getattr(error, "problem", error))) from None
    if not isinstance(data, dict):
        raise RecipeError(f"a {what} is a mapping", where=str(path), help=f"start with `{start}`")
    return data


def parse_value(text: str) -> Any:
    """A value of `--set field=value`. Raises `RecipeError`."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        why = str(getattr(error, "problem", error))
        raise RecipeError(f"cannot read the value {text!r}", where="--set", why=why, help="put it in quotes") from None


def to_yaml(data: dict[str, Any]) -> str:
    """Text that `read_yaml` reads back."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
