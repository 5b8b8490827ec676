"""What the scheduler knows of a request, and the reasons for which one is refused.

Times are seconds of one monotonic clock that the caller owns. Nothing here holds tensors.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum

LEVEL_S = 1.0
"""Seconds that a request of level n + 1 has to wait longer to stand where one of level n does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request waiting for a batch.

    `bucket` names requests that may share a batch (same shapes after padding); `rows` is how much of
    a batch it fills; `level` 0 is the most important one.
    """

    id: int
    bucket: Hashable
    arrived: float
    deadline: float
    rows: int = 1
    level: int = 0

    @property
    def turn(self) -> float:
        """Where it stands in line: its deadline, and later by a second for each level. Never changes, so it ages."""
        return self.deadline + LEVEL_S * self.level


class Reason(StrEnum):
    """Why a request is not answered with a result."""

    LATE = "predicted_late"
    EXPIRED = "expired"
    QUEUE_FULL = "queue_full"
    TOO_LARGE = "too_large"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that will not be run. `retry_after` is in seconds, from the moment it was refused."""

    ask: Ask
    reason: Reason
    retry_after: float = 0.0
