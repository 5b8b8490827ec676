"""Class names in the metadata of a table, under `classes`: a JSON list, or names with commas between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

KEY = "classes"


def class_metadata(names: Sequence[str]) -> dict[str, str]:
    """The entry for these names: JSON, as a name may hold a comma."""
    return {KEY: json.dumps(list(names), ensure_ascii=False)}


def class_names(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    """Of a schema's metadata; text that is no JSON list is names with commas between them."""
    text = (metadata or {}).get(KEY.encode(), b"").decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, list):
        return tuple(map(str, found))
    return tuple(text.split(",")) if text else ()
