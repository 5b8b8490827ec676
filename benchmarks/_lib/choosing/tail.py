"""A long tail: the same steps with all rows alike, class-balanced and focal."""

from __future__ import annotations

import numpy as np

from _lib.bars import Bar
from _lib.choosing.work import PLAIN, Data, Labels, pictures, right, trained, with_range
from burnish.core.progress import Progress

METHODS = ("", "class-balanced", "focal")
RARE = 3
_IMBALANCE = 100
_EPOCHS = 8.0


def tail_bars(seeds: range, progress: Progress) -> tuple[list[Bar], dict[str, object]]:
    """Fashion-MNIST, the most frequent class a hundred times the rarest; which class is rare is drawn by the seed."""
    whole = pictures("fashion-mnist")
    rare: dict[str, list[float]] = {name: [] for name in METHODS}
    mean: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in seeds:
        data, order = long_tail(whole, seed)
        for name in METHODS:
            settings = PLAIN.model_copy(update={"weighting": name, "epochs": _EPOCHS})
            found = right(trained(data, settings, seed), data.test)
            by_class = np.array([found[data.test.targets == label].mean() for label in order])
            rare[name].append(100 * by_class[-RARE:].mean())
            mean[name].append(100 * by_class.mean())
            progress.say(
                f"tail, seed {seed}, {name or 'uniform'}: rare {rare[name][-1]:.1f}, mean {mean[name][-1]:.1f}"
            )
    bars = []
    for name in METHODS[1:2]:
        gain = [a - b for a, b in zip(rare[name], rare[""], strict=True)]
        bars.append(with_range(f"long tail: {RARE} rarest classes, {name} over uniform", gain, "points", 5.0))
        gain = [a - b for a, b in zip(mean[name], mean[""], strict=True)]
        bars.append(with_range(f"long tail: mean over classes, {name} over uniform", gain, "points", 0.0))
    return bars, {"rare": rare, "mean": mean}


def long_tail(whole: Data, seed: int) -> tuple[Data, Labels]:
    """Training rows whose classes go down from all rows to a hundredth, and the classes, most frequent first."""
    rng = np.random.default_rng(seed)
    labels = whole.train.targets.astype(np.int64)
    order = rng.permutation(int(labels.max()) + 1)
    most = int(np.bincount(labels).min())
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[: round(most * _IMBALANCE ** (-place / (len(order) - 1)))]
        for place, label in enumerate(order)
    ]
    return whole.with_train(np.sort(np.concatenate(chosen))), order
