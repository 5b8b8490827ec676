"""Plain data as YAML-like text, for reading; the pipeline's own writer makes the real file."""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][\w ./:+-]*(?<![ :])\Z")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off"}


def recipe_text(data: Any, indent: int = 0) -> str:
    """Mappings, lists and scalars, two spaces a level; empty ones in flow style."""
    pad = "  " * indent
    if isinstance(data, dict) and data:
        return "\n".join(_entry(f"{pad}{_scalar(str(key))}:", value, indent) for key, value in data.items())
    if isinstance(data, list | tuple) and data:
        return "\n".join(_item(pad, value, indent) for value in data)
    return pad + _scalar(data)


def _entry(head: str, value: Any, indent: int) -> str:
    if isinstance(value, dict | list | tuple) and value:
        return f"{head}\n{recipe_text(value, indent + 1)}"
    return f"{head} {_scalar(value)}"


def _item(pad: str, value: Any, indent: int) -> str:
    if isinstance(value, dict | list | tuple) and value:
        inner = recipe_text(value, indent + 1)
        return f"{pad}- {inner[len(pad) + 2 :]}"
    return f"{pad}- {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if isinstance(value, str):
        plain = _PLAIN.match(value) and ": " not in value and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())
    return json.dumps(value, default=str)
