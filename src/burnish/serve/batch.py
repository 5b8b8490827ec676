"""Batches: what a version allows them to be, one that was given out, and what is to be done at a moment."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from burnish.core.noun import Field, Noun
from burnish.serve.ask import Ask, Refusal


class Limits(Noun):
    """What a queue may hold and how batches may look."""

    max_batch: int = Field(default=32, ge=1, description="rows of a batch")
    max_wait_ms: float | None = Field(default=None, ge=0, description="longest hold of a batch; None: learned")
    max_queue: int = Field(default=1024, ge=1, description="requests waiting; more are refused at once")
    instances: int = Field(default=1, ge=1, description="batches that run at the same time")


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that run together as `bucket`, smaller ones padded. `expected_s` is the likely time of the profile.

    A `trial` is run although it seems to come too late, to see whether it does. One that lies `behind` another, by its
    number, begins on the same device when that one ends; `started` is when that is likely then.
    """

    id: int
    bucket: Hashable
    asks: tuple[Ask, ...]
    started: float
    expected_s: float
    trial: bool = False
    behind: int | None = None

    @property
    def rows(self) -> int:
        """Rows of all its requests."""
        return sum(ask.rows for ask in self.asks)


@dataclass(slots=True)
class Step:
    """What to do now: batches to run, requests to refuse, and when to ask again if nothing happens."""

    run: list[Batch] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    wake: float | None = None
