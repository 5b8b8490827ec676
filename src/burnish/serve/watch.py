"""Who hears what an engine does: metrics, and the statistics that the protocol asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.serve.ask import Refusal
from burnish.serve.scheduler import Batch


class Watch:
    """Hears everything and does nothing with it."""

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """A batch came back, that long after it began."""

    def worked(self, instance: int, held_s: float, ran_s: float) -> None:
        """A worker was held that long by a batch, or by a request run alone, and the model itself ran that long."""

    def filled(self, elements: int, places: int) -> None:
        """A batch has that many elements of requests in that many places; the others are padding."""

    def answered(self, seconds: float, *, failed: bool) -> None:
        """A request that was run got its answer or an error, that long after it arrived."""

    def refused(self, refusal: Refusal) -> None:
        """A request was refused."""

    def restarted(self) -> None:
        """A worker died and is being started again."""


class Watches(Watch):
    """Several at once."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = tuple(watches)

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """See `Watch.ran`."""
        for watch in self._watches:
            watch.ran(batch, seconds, failed=failed)

    def worked(self, instance: int, held_s: float, ran_s: float) -> None:
        """See `Watch.worked`."""
        for watch in self._watches:
            watch.worked(instance, held_s, ran_s)

    def filled(self, elements: int, places: int) -> None:
        """See `Watch.filled`."""
        for watch in self._watches:
            watch.filled(elements, places)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Watch.answered`."""
        for watch in self._watches:
            watch.answered(seconds, failed=failed)

    def refused(self, refusal: Refusal) -> None:
        """See `Watch.refused`."""
        for watch in self._watches:
            watch.refused(refusal)

    def restarted(self) -> None:
        """See `Watch.restarted`."""
        for watch in self._watches:
            watch.restarted()


@dataclass
class _Duration:
    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.ns += round(seconds * 1e9)

    def to_dict(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass
class Tally(Watch):
    """Counts since the start, in the form of the protocol's statistics: nanoseconds, by request and by batch size."""

    success: _Duration = field(default_factory=_Duration)
    fail: _Duration = field(default_factory=_Duration)
    queue: _Duration = field(default_factory=_Duration)
    compute: _Duration = field(default_factory=_Duration)
    batches: dict[int, _Duration] = field(default_factory=dict)
    rows: int = 0
    last_ms: int = 0

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """See `Watch.ran`."""
        self.last_ms = int(time.time() * 1000)
        self.batches.setdefault(batch.rows, _Duration()).add(seconds)
        for ask in batch.asks:
            self.queue.add(batch.started - ask.arrived)
            self.compute.add(seconds)
        if not failed:
            self.rows += batch.rows

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Watch.answered`."""
        (self.fail if failed else self.success).add(seconds)

    def refused(self, refusal: Refusal) -> None:
        """See `Watch.refused`; a refusal counts as a failure, so that none is invisible."""
        del refusal
        self.fail.add(0.0)

    def to_dict(self) -> dict[str, Any]:
        """The protocol's fields. What goes into and out of a batch is part of `compute_infer`."""
        nothing = _Duration().to_dict()
        return {
            "last_inference": self.last_ms,
            "inference_count": self.rows,
            "execution_count": sum(found.count for found in self.batches.values()),
            "inference_stats": {
                "success": self.success.to_dict(),
                "fail": self.fail.to_dict(),
                "queue": self.queue.to_dict(),
                "compute_input": nothing,
                "compute_infer": self.compute.to_dict(),
                "compute_output": nothing,
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": nothing,
                    "compute_infer": found.to_dict(),
                    "compute_output": nothing,
                }
                for rows, found in sorted(self.batches.items())
            ],
        }
