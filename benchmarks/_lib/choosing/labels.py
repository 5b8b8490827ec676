"""20 % wrong labels: how many are found, and the accuracy with 1.5x fewer steps than training on all rows alike."""

from __future__ import annotations

import numpy as np

from _lib.bars import Bar
from _lib.choosing.work import PLAIN, Data, batch_size, pictures, plant_wrong, right, trained, with_range
from burnish.core.errors import BadData
from burnish.core.progress import Progress
from burnish.data.samples.doubt import doubt_labels
from burnish.data.samples.features import features

OURS, OTHER = "doubt", "trust"
_SHARE = 0.2
_LOOKED = 6000
"""Rows that are looked at."""
_ROWS = 12_000
"""Rows that are trained on."""
_LENGTHS = {"fashion-mnist": (2.0, 4.0, 8.0), "digits": (2.0, 4.0, 8.0)}
"""Epochs of uniform: its best one sets the target, before it learns wrong labels by heart."""
_FEWER = 1.5


def label_bars(seeds: range, progress: Progress) -> tuple[list[Bar], dict[str, object]]:
    """Both questions on Fashion-MNIST and digits."""
    bars: list[Bar] = []
    told: dict[str, object] = {}
    for name, lengths in _LENGTHS.items():
        bars += _found(name, seeds, progress)
        whole = pictures(name)
        runs: dict[str, list[dict[float, float]]] = {"uniform": [], OURS: [], OTHER: []}
        for seed in seeds:
            data = _noisy(whole, seed)
            for kind, found in runs.items():
                found.append({length: _accuracy(data, kind, length, seed) for length in lengths})
                progress.say(f"labels, {name}, seed {seed}, {kind}: {found[-1]}")
        best = max(lengths, key=lambda length: np.mean([run[length] for run in runs["uniform"]]))
        target = np.array([run[best] for run in runs["uniform"]])
        ahead = {kind: [run[best] for run in runs[kind]] - target for kind in (OURS, OTHER)}
        bars.append(
            with_range(
                f"{name}, wrong labels: {OURS} with {_FEWER}x fewer steps over the best of uniform",
                ahead[OURS].tolist(),
                "points",
                0.0,
                note=f"uniform at its best of {lengths} epochs, {best:g}: {target.mean():.2f} %; "
                f"{OTHER} with {_FEWER}x fewer steps {ahead[OTHER].mean():+.2f} points",
            )
        )
        told[name] = runs
    return bars, told


def _found(name: str, seeds: range, progress: Progress) -> list[Bar]:
    """Share of the planted rows that is found, and share of what is found that was planted; the worst seed counts."""
    data = pictures(name)
    recall, precision = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(data.train))[:_LOOKED]
        labels, wrong = plant_wrong(data.train.targets[rows].astype(np.int64), _SHARE, rng)
        part = data.with_train(rows, labels).train
        doubt = doubt_labels(part, features(part))
        if doubt.issues is None:
            raise BadData("no label was looked at", where=name, why=doubt.reason, help="look at the classifier")
        recall.append(100 * wrong[doubt.issues.rows].sum() / wrong.sum())
        precision.append(100 * wrong[doubt.issues.rows].mean())
        progress.say(f"labels, {name}, seed {seed}: {recall[-1]:.1f} % found, {precision[-1]:.1f} % of them planted")
    told = {"planted wrong labels found": recall, "precision of what is found": precision}
    return [
        Bar(name=f"{name}: {what}, worst seed", value=min(v), low=min(v), high=max(v), unit="%", bar=80.0)
        for what, v in told.items()
    ]


def _noisy(whole: Data, seed: int) -> Data:
    rng = np.random.default_rng(1000 + seed)
    rows = rng.permutation(len(whole.train))[:_ROWS]
    return whole.with_train(rows, plant_wrong(whole.train.targets[rows].astype(np.int64), _SHARE, rng)[0])


def _accuracy(data: Data, kind: str, length: float, seed: int) -> float:
    """Percent on the test rows after `length` epochs of uniform or 1.5x fewer of another, with their own schedules."""
    uniform = kind == "uniform"
    settings = PLAIN.model_copy(
        update={
            "epochs": length if uniform else length / _FEWER,
            "weighting": "" if uniform else kind,
            "batch_size": batch_size(data),
        }
    )
    return float(100 * right(trained(data, settings, seed), data.test).mean())
