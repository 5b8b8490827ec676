"""A training on several ranks, killed and gone on with on the same or another number of them.

Every step must have the rows of a run left alone, each on one rank, and so every epoch the same rows. Where the number
of ranks stays, losses must have the same bits too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from _lib.bars import Bar
from _lib.loaders.killed import turn
from burnish.core.progress import Progress

_OTHERS, _SAME = (2, 1, 3), (2, 2, 2)


def killed_ranks_bars(folder: Path, runs: int, say: Progress) -> list[Bar]:
    """So many trainings of 2, 1 and 3 ranks, and of 2, 2 and 2; each killed twice, after a random number of steps."""
    rng = random.Random(0)
    whole = _run(folder / "whole", [1], [])
    alone = _run(folder / "whole-2", [2], [])
    found: dict[tuple[int, ...], list[bool]] = {_OTHERS: [], _SAME: []}
    for number in range(runs):
        for worlds, right in found.items():
            kills = [rng.randint(1, len(whole) // 2 - 1) for _ in worlds[1:]]
            steps = _run(folder / f"{'-'.join(map(str, worlds))}-{number}", worlds, kills)
            same = _rows(steps) == _rows(whole)
            right.append(same and (worlds == _OTHERS or steps == alone))
            say.say(f"{worlds} ranks, killed after {kills} steps: {'as one left alone' if right[-1] else 'DIFFERS'}")
    names = {_OTHERS: "2, 1 and 3 ranks: rows of every step", _SAME: "2, 2 and 2 ranks: rows and losses"}
    return [
        Bar(
            name=f"kill -9 of {names[worlds]} as in one that was left alone",
            value=100 * sum(right) / len(right),
            unit="% of trainings",
            bar=100,
            note=f"{2 * len(right)} kills in {len(right)} trainings of {len(whole)} steps",
        )
        for worlds, right in found.items()
    ]


Steps = dict[int, list[tuple[str, list[int]]]]
"""Step -> loss and rows of every rank that took it."""


def _run(work: Path, worlds: Sequence[int], kills: Sequence[int]) -> Steps:
    """Train; each number of ranks but the last is killed after so many steps, unless it was done before."""
    work.mkdir(parents=True)
    for world, more in zip(worlds, [*kills, 10**9], strict=True):
        if not (work / "done").exists():
            turn(work, more, world)
    return _steps(work)


def _steps(work: Path) -> Steps:
    """What the last start that took a step did in it."""
    last: list[dict[int, tuple[str, str, list[int]]]] = []
    for rank in range(3):
        path = work / f"steps-{rank}.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        last.append({})
        for line in lines:
            step, world, loss, rows = line.split(" ")
            last[rank][int(step)] = world, loss, [int(row) for row in rows.split(",")]
    found: Steps = {}
    for step, (world, _, _) in last[0].items():
        parts = [last[rank][step] for rank in range(int(world))]
        assert all(part[0] == world for part in parts), f"ranks disagree on step {step}"
        found[step] = [(loss, rows) for _, loss, rows in parts]
    return found


def _rows(steps: Steps) -> dict[int, list[int]]:
    return {step: sorted(row for _, rows in parts for row in rows) for step, parts in steps.items()}
