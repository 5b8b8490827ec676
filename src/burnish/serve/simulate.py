"""The scheduler on made-up devices and a made-up clock: what would happen to every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.serve.ask import Ask, Refusal
from burnish.serve.batch import Batch
from burnish.serve.scheduler import Scheduler

_NEVER = float("inf")


@dataclass
class Story:
    """All that happened: batches in their order, refusals and holds with their moment, ends by request."""

    batches: list[Batch] = field(default_factory=list)
    refused: list[tuple[float, Refusal]] = field(default_factory=list)
    finished: dict[int, float] = field(default_factory=dict)
    holds: list[tuple[float, float]] = field(default_factory=list)

    def in_time(self, asks: Sequence[Ask]) -> float:
        """Share of requests answered by their deadline."""
        return sum(self.finished.get(ask.id, _NEVER) <= ask.deadline + 1e-9 for ask in asks) / len(asks)


def play(
    scheduler: Scheduler,
    asks: Sequence[Ask],
    seconds: Callable[[int], float],
    *,
    devices: int = 1,
    handover: float = 0.0,
    back: Callable[[Ask, float], Ask | None] = lambda _ask, _now: None,
) -> Story:
    """Run all of `asks`, sorted by arrival; a batch takes `seconds(rows)` on one of `devices`.

    A batch begins `handover` seconds after it was given out, or when the one that it is behind ends, if that is later.
    `back` gives the request that follows an answer, for clients that wait for theirs; its arrival lies at or
    behind the answer.
    """
    story = Story()
    coming = list(asks)
    running: list[tuple[float, Batch]] = []
    wake = _NEVER
    place = 0
    while True:
        ends = min((end for end, _ in running), default=_NEVER)
        now = min(coming[place].arrived if place < len(coming) else _NEVER, ends, wake)
        if now == _NEVER:
            return story
        for end, batch in [item for item in running if item[0] <= now]:
            running.remove((end, batch))
            scheduler.finished(batch, now)
            story.finished |= {ask.id: now for ask in batch.asks}
            more = [found for ask in batch.asks if (found := back(ask, now)) is not None]
            if more:
                coming[place:] = sorted([*coming[place:], *more], key=lambda ask: ask.arrived)
        while place < len(coming) and coming[place].arrived <= now:
            refusal = scheduler.arrive(coming[place], now)
            place += 1
            if refusal is not None:
                story.refused.append((now, refusal))
        here = {batch.id for _, batch in running}
        step = scheduler.step(now, idle=devices - sum(batch.behind not in here for _, batch in running))
        story.refused += [(now, refusal) for refusal in step.refused]
        for batch in step.run:
            begun = max([now + handover, *(end for end, other in running if other.id == batch.behind)])
            running.append((begun + seconds(batch.rows), batch))
            story.batches.append(batch)
        wake = _NEVER if step.wake is None else step.wake
        if step.wake is not None:
            story.holds.append((now, step.wake))
