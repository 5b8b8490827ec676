"""Batches that were given out: on a device, or behind the one that is, and when devices are likely to be free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from burnish.serve.batch import Batch

_LONG = 5
"""Batches that take fewer times as long as the next one is given out ahead are over too soon for that: two on their
way would be smaller ones."""


class Running:
    """Every batch from when it is given out until it comes back; at most one lies behind another.

    A batch is about to end `ahead_s` before it is likely to.
    """

    def __init__(self, ahead_s: float) -> None:
        self._ahead_s = ahead_s
        self._batches: dict[int, Batch] = {}

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches.values())

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, batch: Batch) -> None:
        """It was given out."""
        self._batches[batch.id] = batch

    def done(self, batch: Batch, now: float) -> Batch:
        """It came back; as it really began. The one behind it begins."""
        known = self._batches.pop(batch.id)
        for other in tuple(self):
            if other.behind == known.id:
                self._batches[other.id] = replace(other, started=max(now, known.started), behind=None)
        return known

    def ends(self, now: float) -> list[tuple[float, Batch]]:
        """The last batch of every device and its likely end, the next one first."""
        first = {batch.id: max(now, batch.started + batch.expected_s) for batch in self if batch.behind is None}
        behind = {batch.behind: batch for batch in self if batch.behind is not None}
        last = [
            (end + behind[number].expected_s, behind[number]) if number in behind else (end, self._batches[number])
            for number, end in first.items()
        ]
        return sorted(last, key=lambda item: item[0])

    def ending(self, now: float) -> tuple[list[tuple[float, Batch]], float | None]:
        """Those that are about to end with nothing behind them, and their likely ends; when to ask again for more."""
        ending: list[tuple[float, Batch]] = []
        if not self._ahead_s:
            return ending, None
        for end, batch in self.ends(now):
            if batch.behind is not None or batch.expected_s < _LONG * self._ahead_s or end <= now:
                continue
            if now < end - self._ahead_s:
                return ending, end - self._ahead_s
            ending.append((end, batch))
        return ending, None

    def free(self, now: float) -> float:
        """When a device is likely to be free."""
        ends = self.ends(now)
        return ends[0][0] if ends else now
