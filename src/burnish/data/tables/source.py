"""A table as a stream of record batches: what every kind of source becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table in batches. `size_bytes` and `digest()` (SHA-256, in hex) are of what it is read from.

    `share` says how much of it has been read, in [0, 1], given the rows that came out.
    """

    schema: Any
    batches: Iterator[Any]
    share: Callable[[int], float]
    size_bytes: int
    digest: Callable[[], str]
    metadata: dict[str, str] = field(default_factory=dict)


def share_of(total: int) -> Callable[[int], float]:
    """`share` of a source that knows its number of rows."""
    return lambda rows: rows / max(1, total)
