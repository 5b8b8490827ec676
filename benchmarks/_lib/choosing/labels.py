"""20 % wrong labels: how many are found, and steps to the accuracy that training on all rows alike comes to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from _lib.bars import Bar
from _lib.choosing.work import PLAIN, Data, pictures, plant_wrong, right, trained, with_range
from burnish.core.errors import BadData
from burnish.core.progress import Progress
from burnish.data.samples.doubt import doubt_labels
from burnish.data.samples.features import features
from burnish.train.settings import FitSettings

METHODS = ("", "trust", "doubt")
_OURS = "doubt"
_SHARE = 0.2
_LOOKED = 6000
"""Rows that are looked at: as many as a first look takes some seconds for."""
_ROWS = 12_000
_EPOCHS = 6.0
_EVERY = 20
"""Steps between two looks at the test rows."""
_LENGTHS = (2.0, 4.0, 8.0)
_FEWER = 1.5
CONSTANT = PLAIN.model_copy(update={"epochs": _EPOCHS, "schedule": "constant", "learning_rate": 1e-3, "warmup": 0.02})


def label_bars(seeds: range, progress: Progress) -> tuple[list[Bar], dict[str, object]]:
    """Both questions on Fashion-MNIST, the first one on digits, too."""
    fashion = pictures("fashion-mnist")
    bars = [bar for name in ("fashion-mnist", "digits") for bar in _found(name, seeds, progress)]
    curves, ratios, gains = [], [], []
    for seed in seeds:
        data = _noisy(fashion, seed)
        curves.append({name: _curve(data, name, seed) for name in METHODS})
        ratios.append({name: fewer(curves[-1][""], curves[-1][name]) for name in METHODS[1:]})
        progress.say(f"labels, seed {seed}: {', '.join(f'{k} {v:.2f}x fewer steps' for k, v in ratios[-1].items())}")
    for seed in seeds:
        data = _noisy(fashion, seed)
        uniform = {length: _accuracy(data, "", length, seed) for length in _LENGTHS}
        ours = {length: _accuracy(data, _OURS, length / _FEWER, seed) for length in _LENGTHS}
        gains.append({"uniform": uniform, "ours": ours})
        progress.say(f"labels, seed {seed}: uniform {uniform}, {_OURS} with {_FEWER}x fewer steps {ours}")
    best = max(_LENGTHS, key=lambda length: np.mean([gain["uniform"][length] for gain in gains]))
    ahead = [gain["ours"][best] - gain["uniform"][best] for gain in gains]
    trust = f"trust: {np.mean([ratio['trust'] for ratio in ratios]):.2f}x"
    steps = f"wrong labels: {_OURS}, fewer steps to the best of uniform"
    bars += [
        with_range(f"{steps}, constant rate", [ratio[_OURS] for ratio in ratios], "x", _FEWER, note=trust),
        with_range(
            f"wrong labels: {_OURS} with {_FEWER}x fewer steps over uniform, each with a schedule of its own",
            ahead,
            "points",
            0.0,
            note=f"uniform at its best of {_LENGTHS} epochs, {best:g}",
        ),
    ]
    return bars, {"curves": [{k: v.tolist() for k, v in c.items()} for c in curves], "schedules": gains}


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


def _settings(name: str, base: FitSettings) -> FitSettings:
    return base.model_copy(update={"weighting": name})


def _accuracy(data: Data, name: str, epochs: float, seed: int) -> float:
    settings = _settings(name, PLAIN.model_copy(update={"epochs": epochs}))
    return float(100 * right(trained(data, settings, seed), data.test).mean())


def _curve(data: Data, name: str, seed: int) -> NDArray[np.float64]:
    """Accuracy on half of the test rows after every 20 steps, the mean of three looks in a row."""
    part = data.test.take(np.arange(0, len(data.test), 2))
    found: list[float] = []

    def watch(step: int, module: nn.Module) -> None:
        if step and step % _EVERY == 0:
            found.append(float(right(module.eval(), part).mean()))
            module.train()

    trained(data, _settings(name, CONSTANT), seed, watch=watch)
    return np.convolve(found, np.full(3, 1 / 3), "valid")


def fewer(uniform: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How many times fewer steps `other` takes to the best of `uniform`; 0 when it never comes there."""
    target = uniform.max()
    reached = np.flatnonzero(other >= target)
    return float((uniform.argmax() + 2) / (reached[0] + 2)) if len(reached) else 0.0
