"""The part of the training time that the loop waits for rows, on shipped workloads."""

from __future__ import annotations

from collections.abc import Mapping

from _lib.bars import Bar
from burnish.core.progress import Progress, Silent
from burnish.train.loop import fit
from burnish.train.objectives import task
from burnish.workloads.registry import get


def waiting_bars(steps_of: Mapping[str, int], rounds: int, say: Progress) -> list[Bar]:
    """So many steps of each workload with its own settings, several times; the median counts."""
    bars = []
    for name, steps in steps_of.items():
        workload = get(name)
        epochs = steps / workload.train.num_batches(workload.fit.batch_size)
        settings = workload.fit.model_copy(update={"epochs": epochs, "patience": 0})
        shares = []
        for turn in range(rounds):
            done = fit(
                workload.build(),
                workload.train,
                objective=task(workload.loss),
                settings=settings,
                seed=turn,
                progress=Silent(),
            )
            shares.append(100 * done.wait_share)
            say.say(f"{name}: {shares[-1]:.2f} % of {done.steps} steps")
        bars.append(
            Bar(
                name=f"{name}: waiting for rows",
                value=sorted(shares)[len(shares) // 2],
                unit="% of step time",
                low=min(shares),
                high=max(shares),
                bar=3,
                least=False,
                note=f"{steps} steps of {settings.batch_size} rows",
            )
        )
    return bars
