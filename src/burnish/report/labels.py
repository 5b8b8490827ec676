"""Where the labels of a scatter plot go so that none covers another.

Greedy: labels are placed in the order given, each at the nearest free spot around its point. A
label that finds no free spot is left out: a missing name is better than two unreadable ones (the
table names every point by number).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in plot units, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Do the two share an area?"""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def inside(self, other: Box) -> bool:
        """Does this lie wholly within `other`?"""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Wanted:
    """A label to place: the point it belongs to and the size of its text."""

    x: float
    y: float
    width: float
    height: float


_DISTANCES = (9.0, 15.0, 24.0, 36.0, 52.0, 72.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


def place(wanted: Sequence[Wanted], hard: Sequence[Box], soft: Sequence[Box], bounds: Box) -> list[Box | None]:
    """A box per label, or None where there was no room.

    No two boxes overlap, none overlaps a `hard` obstacle (markers), all lie within `bounds`.
    `soft` obstacles (lines) are avoided where that is possible.
    """
    taken: list[Box] = []
    placed: list[Box | None] = []
    for label in wanted:
        spots = [
            box
            for box in _spots(label)
            if box.inside(bounds) and not any(box.overlaps(other) for other in (*hard, *taken))
        ]
        clear = (box for box in spots if not any(box.overlaps(line) for line in soft))
        chosen = next(clear, spots[0] if spots else None)
        placed.append(chosen)
        if chosen is not None:
            taken.append(chosen)
    return placed


def _spots(label: Wanted) -> Iterator[Box]:
    for distance in _DISTANCES:
        for dx, dy in _DIRECTIONS:
            centre_x = label.x + dx * (distance + label.width / 2)
            centre_y = label.y + dy * (distance + label.height / 2)
            yield Box(
                centre_x - label.width / 2,
                centre_y - label.height / 2,
                centre_x + label.width / 2,
                centre_y + label.height / 2,
            )
