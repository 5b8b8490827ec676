"""Quality: predictions over a split, a metric with its interval, and the paired difference of two.

Intervals are 95 %. When the metric is a mean over rows of 0 and 1 they are Wilson's; otherwise they
come from a bootstrap over rows with a fixed seed, so the same predictions give the same interval.
Differences are paired: both models saw the same rows, which makes the interval much narrower.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.core.errors import BadData
from burnish.core.measurement import Measurement
from burnish.data.split import Split
from burnish.measure.metric import Array, Metric
from burnish.model.variant import predict

Run = Callable[[dict[str, Array]], dict[str, Array]]
Statistic = Callable[[NDArray[np.int64]], float]

_Z = 1.959963984540054
_RESAMPLES = 400
_SEED = 0


def predictions(run: Run, split: Split, batch_size: int = 64) -> Array:
    """The first output of `run` for every row of the split, in order."""
    parts = []
    for batch in split.in_order(batch_size):
        outputs = run({name: tensor.numpy() for name, tensor in batch.inputs.items()})
        parts.append(next(iter(outputs.values())))
    return _join(parts)


def predict_module(module: nn.Module, split: Split, batch_size: int = 64) -> Array:
    """The first output of a torch module for every row of the split, in order, on its own device."""
    tensor = next(itertools.chain(module.parameters(), module.buffers()), None)
    parts = []
    device = torch.device("cpu") if tensor is None else tensor.device
    for batch in split.in_order(batch_size, device=device):
        parts.append(predict(module, batch.inputs)[0].float().cpu().numpy())
    return _join(parts)


def score(metric: Metric, predicted: Array, targets: Array) -> float:
    """The bare metric, for gates and early stopping. Raises `BadData` when the counts differ."""
    _check(predicted, targets)
    return metric.compute(predicted, targets)


def quality(metric: Metric, predicted: Array, targets: Array, machine: str) -> Measurement:
    """The metric with its 95 % interval. Raises `BadData` when the counts differ."""
    _check(predicted, targets)
    value, n = metric.compute(predicted, targets), len(targets)
    rows = metric.rows(predicted, targets)
    if rows is not None and _is_share(metric, rows):
        low, high, how = *wilson(value, n), "Wilson interval"
    elif rows is not None:
        low, high, how = *_bootstrap(n, lambda index: float(rows[index].mean())), _BOOTSTRAP
    else:
        low, high, how = *_bootstrap(n, lambda index: metric.compute(predicted[index], targets[index])), _BOOTSTRAP
    return _measurement(metric, metric.name, value, low, high, n, f"95 % {how} over {n} rows", machine)


def paired(metric: Metric, predicted: Array, base: Array, targets: Array, machine: str) -> Measurement:
    """The metric of `predicted` minus that of `base`, with its 95 % interval over the same rows.

    Raises `BadData` when the counts differ.
    """
    _check(predicted, targets)
    _check(base, targets)
    n = len(targets)
    value = metric.compute(predicted, targets) - metric.compute(base, targets)
    ours, theirs = metric.rows(predicted, targets), metric.rows(base, targets)
    if ours is None or theirs is None:
        low, high = _bootstrap(
            n, lambda i: metric.compute(predicted[i], targets[i]) - metric.compute(base[i], targets[i])
        )
        how = f"paired {_BOOTSTRAP}"
    else:
        change = ours - theirs
        if _is_share(metric, ours) and _is_share(metric, theirs):
            low, high, how = *agresti_min(int((change > 0).sum()), int((change < 0).sum()), n), "Agresti-Min interval"
        else:
            low, high, how = *_normal(change), "normal interval"
        how = f"{how} of per-row differences"
    return _measurement(metric, f"{metric.name} difference", value, low, high, n, f"95 % {how}, {n} rows", machine)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (https://doi.org/10.1080/01621459.1927.10502953)."""
    if n == 0:
        return 0.0, 1.0
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def agresti_min(wins: int, losses: int, n: int) -> tuple[float, float]:
    """95 % interval of (wins - losses) / n for matched pairs (https://doi.org/10.1002/sim.1781).

    Half a pair is added to each of the four cells, so that no losses seen is not none possible.
    """
    total = n + 2
    centre = (wins - losses) / total
    discordant = (wins + losses + 1) / total
    half = _Z * math.sqrt(max(0.0, discordant - centre**2) / total)
    return max(-1.0, centre - half), min(1.0, centre + half)


_BOOTSTRAP = f"bootstrap ({_RESAMPLES} resamples, seed {_SEED})"


def _bootstrap(n: int, statistic: Statistic) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    values: list[float] = []
    for _ in range(_RESAMPLES):
        try:
            values.append(statistic(rng.integers(0, n, n)))
        except BadData:  # a resample without one of the classes says nothing
            continue
    if not values:
        return math.nan, math.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _normal(change: NDArray[np.float64]) -> tuple[float, float]:
    centre = float(change.mean())
    half = _Z * float(change.std(ddof=1)) / math.sqrt(len(change)) if len(change) > 1 else math.inf
    return centre - half, centre + half


def _measurement(
    metric: Metric, name: str, value: float, low: float, high: float, n: int, protocol: str, machine: str
) -> Measurement:
    return Measurement(
        name=name,
        value=value,
        unit="share" if metric.points else "",
        low=min(low, value),
        high=max(high, value),
        n=n,
        protocol=protocol,
        machine=machine,
    )


def _is_share(metric: Metric, rows: NDArray[np.float64]) -> bool:
    return metric.points and bool(np.isin(rows, (0.0, 1.0)).all())


def _join(parts: list[Array]) -> Array:
    if not parts:
        raise BadData("the split has no rows")
    return np.concatenate(parts)


def _check(predicted: Array, targets: Array) -> None:
    if len(predicted) != len(targets) or len(targets) == 0:
        raise BadData(f"{len(predicted)} predictions for {len(targets)} targets")
