"""What the protocol's statistics tell of a model version."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from burnish.serve.ask import Refusal
from burnish.serve.batch import Batch
from burnish.serve.observer import Observer


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
class Statistics(Observer):
    """Counts since the start, in the form of the protocol's statistics: nanoseconds, by request and by batch size."""

    success: _Duration = field(default_factory=_Duration)
    fail: _Duration = field(default_factory=_Duration)
    queue: _Duration = field(default_factory=_Duration)
    compute: _Duration = field(default_factory=_Duration)
    batches: dict[int, _Duration] = field(default_factory=dict)
    rows: int = 0
    last_ms: int = 0

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """See `Observer.ran`."""
        self.last_ms = int(time.time() * 1000)
        self.batches.setdefault(batch.rows, _Duration()).add(seconds)
        for ask in batch.asks:
            self.queue.add(batch.started - ask.arrived)
            self.compute.add(seconds)
        if not failed:
            self.rows += batch.rows

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Observer.answered`."""
        (self.fail if failed else self.success).add(seconds)

    def refused(self, refusal: Refusal) -> None:
        """See `Observer.refused`; a refusal counts as a failure, so that none is invisible."""
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
