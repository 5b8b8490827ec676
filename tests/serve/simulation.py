"""A made-up clock and made-up devices around the scheduler: what happens to every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.serve.ask import Ask, Refusal
from burnish.serve.scheduler import Batch, Limits, Scheduler

FOREVER = float("inf")


@dataclass
class Story:
    """All that happened."""

    batches: list[Batch] = field(default_factory=list)
    refused: list[tuple[float, Refusal]] = field(default_factory=list)
    finished: dict[int, float] = field(default_factory=dict)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def in_time(self, asks: Sequence[Ask]) -> float:
        """Share of requests answered by their deadline."""
        return sum(self.finished.get(ask.id, FOREVER) <= ask.deadline + 1e-9 for ask in asks) / len(asks)


def play(
    scheduler: Scheduler, asks: Sequence[Ask], seconds: Callable[[int], float], limits: Limits, *, steps: int = 10**6
) -> Story:
    """Run all of `asks` (sorted by arrival); a batch takes `seconds(rows)`."""
    story = Story()
    coming = list(asks)
    running: list[tuple[float, Batch]] = []
    wake = FOREVER
    now = 0.0
    for _ in range(steps):
        ends = min((end for end, _ in running), default=FOREVER)
        moment = min(coming[0].arrived if coming else FOREVER, ends, wake)
        if moment == FOREVER:
            return story
        assert moment >= now - 1e-12, "time runs backwards"
        now = max(now, moment)
        for end, batch in [item for item in running if item[0] <= now]:
            running.remove((end, batch))
            scheduler.finished(batch, now)
            story.finished |= {ask.id: now for ask in batch.asks}
        while coming and coming[0].arrived <= now:
            refusal = scheduler.arrive(coming.pop(0), now)
            if refusal is not None:
                story.refused.append((now, refusal))
        step = scheduler.step(now, idle=limits.instances - len(running))
        story.refused += [(now, refusal) for refusal in step.refused]
        for batch in step.run:
            running.append((now + seconds(batch.rows), batch))
            story.batches.append(batch)
        wake = FOREVER if step.wake is None else step.wake
        if step.wake is not None:
            story.waits.append((now, step.wake))
            assert step.wake > now, "it wants to be asked again at once"
    raise AssertionError("it does not end")
