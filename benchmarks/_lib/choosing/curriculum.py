"""Easy rows first, and random rows at the same pace, beside all rows from the start, at the same number of steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from _lib.bars import Bar
from _lib.choosing.work import PLAIN, Data, batch_size, pictures, right, trained
from burnish.core.progress import Progress
from burnish.data.split import Split
from burnish.train.losses import cross_entropy
from burnish.train.samples import measure_difficulty

WORKLOADS = {"digits": 15.0, "fashion-mnist": 6.0, "cifar10-resnet": 6.0}
"""Epochs of each."""
ROWS = {"cifar10-resnet": 6_000}
"""Training rows, where they are fewer: color pictures take longer."""
KINDS = ("", "easy", "random")
_ROWS = 12_000
_Z = 1.96


def curriculum_bars(seeds: range, progress: Progress) -> tuple[list[Bar], dict[str, object]]:
    """The upper end of the paired interval must not lie below 0; a gain is only told where the lower end is above.

    Measured on the test rows and on training rows that no seed learns from, where there are some.
    """
    bars: list[Bar] = []
    told: dict[str, object] = {}
    for name, epochs in WORKLOADS.items():
        whole = pictures(name)
        pool, unseen = _parted(len(whole.train), ROWS.get(name, _ROWS))
        held = (whole.test, whole.train.take(unseen)) if len(unseen) else (whole.test,)
        found: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
        for seed in seeds:
            rows = np.random.default_rng(seed).permutation(pool)[: ROWS.get(name, _ROWS)]
            data = whole.with_train(rows)
            for kind, answers in _answers(data, held, epochs, seed).items():
                found[kind].append(answers)
            means = {kind or "uniform": round(100 * float(rows[-1].mean()), 2) for kind, rows in found.items()}
            progress.say(f"curriculum, {name}, seed {seed}: {means}")
        told[name] = {kind or "uniform": [float(rows.mean()) for rows in answers] for kind, answers in found.items()}
        bars += [_bar(name, kind, found) for kind in KINDS[1:]]
    return bars, told


def _parted(count: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that trainings draw theirs from, twice as many as they want, and the others: more rows to measure on."""
    mixed = np.random.default_rng(0).permutation(count)
    return mixed[: 2 * wanted], mixed[2 * wanted :]


def _answers(data: Data, held: Sequence[Split], epochs: float, seed: int) -> dict[str, NDArray[np.float64]]:
    base = PLAIN.model_copy(update={"epochs": epochs, "batch_size": batch_size(data)})
    first = trained(data, base.model_copy(update={"epochs": 1.0}), seed)
    difficulty = measure_difficulty(first, data.train, cross_entropy())
    answers = {}
    for kind in KINDS:
        module = trained(data, base.model_copy(update={"curriculum": kind}), seed, difficulty=difficulty)
        answers[kind] = np.concatenate([right(module, split) for split in held])
    return answers


def _bar(name: str, kind: str, found: dict[str, list[NDArray[np.float64]]]) -> Bar:
    each = [100 * (a - b) for a, b in zip(found[kind], found[""], strict=True)]
    value, low, high = interval(each)
    worth = "better than uniform" if low > 0 else "worse than uniform" if high < 0 else "gains nothing"
    return Bar(
        name=f"{name}: {'easy rows' if kind == 'easy' else 'random rows, the control,'} first, upper end over uniform",
        value=high,
        low=low,
        high=high,
        unit="points",
        bar=0.0,
        note=f"{worth}: {value:+.2f} points; by seed {', '.join(f'{rows.mean():+.2f}' for rows in each)}",
    )


def interval(differences: list[NDArray[np.float64]]) -> tuple[float, float, float]:
    """Mean of paired differences over seeds and rows, and its 95 % interval for other seeds and other rows.

    Seeds and rows are crossed: the variance of the mean is that of the seeds' means plus that of the rows' means, less
    what both hold of the rest (two-way random effects without replication). One seed tells nothing of others.
    """
    each = np.array(differences)
    seeds, rows = each.shape
    mean = float(each.mean())
    by_seed, by_row = each.mean(1, keepdims=True), each.mean(0, keepdims=True)
    of_rows = float(by_row.var(ddof=1)) / rows
    variance = of_rows
    if seeds > 1:
        of_seeds = float(by_seed.var(ddof=1)) / seeds
        rest = float(((each - by_seed - by_row + mean) ** 2).sum()) / ((seeds - 1) * (rows - 1)) / (seeds * rows)
        variance = max(of_rows + of_seeds - rest, of_rows, of_seeds)
    half = _Z * variance**0.5
    return mean, mean - half, mean + half
