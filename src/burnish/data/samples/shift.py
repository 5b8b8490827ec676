"""Adversarial validation: can a classifier tell training rows from test rows, and by which columns?

Out-of-fold probabilities of "is a test row" give an AUC with a 99 % interval: the mean of the folds' areas, which has
no bias where there is no shift, and DeLong's variance, widened since the folds' classifiers learned from the same rows
(Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003). While the interval reaches
down to 0.5 there is no finding and no weight. Else p / (1 - p) is the density ratio of test to training rows (Bickel
et al. 2009), the weight that makes training rows stand for the test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import RecipeError
from burnish.data.samples.auc import auc
from burnish.data.samples.classifier import Fold, folds
from burnish.data.samples.features import Features

Floats = NDArray[np.float64]

_PARTS = 5
_Z = 2.576
"""Of a 99 % interval."""
_ASKED = 24
"""Columns that are shuffled to see whether the classifier misses them: those that the trees use most."""
_DROP = 0.01
_CEILING = 10.0


@dataclass(frozen=True, kw_only=True)
class Shift:
    """`p_test` [N]: out-of-fold probability of every training row to be a test row, as if both were equally many.

    `columns` name what gives the shift away, strongest first; empty while the interval covers 0.5.
    """

    auc: float
    low: float
    high: float
    columns: tuple[str, ...]
    p_test: Floats

    @property
    def found(self) -> bool:
        """Whether the interval lies above 0.5."""
        return self.low > 0.5

    def weights(self) -> Floats:
        """Density ratio per training row, at most 10 times the mean, mean 1; all 1 when there is no shift."""
        if not self.found:
            return np.ones_like(self.p_test)
        odds = self.p_test / np.maximum(1 - self.p_test, 1e-3)
        odds = np.minimum(odds / odds.mean(), _CEILING)
        weights: Floats = odds / odds.mean()
        return weights

    def unlike(self, quantile: float) -> NDArray[np.int64]:
        """Training rows whose `p_test` is among the lowest `quantile` of them; none when there is no shift.

        Raises `RecipeError` unless 0 <= quantile < 1.
        """
        if not 0 <= quantile < 1:
            raise RecipeError(f"{quantile} is no quantile", where="quantile", help="give a share from 0 to below 1")
        count = int(quantile * len(self.p_test)) if self.found else 0
        return np.sort(np.argsort(self.p_test, kind="stable")[:count])


def find_shift(train: Features, test: Features, *, seed: int = 0) -> Shift:
    """Compare two sets of rows with the same features. Raises `BadData` below five rows of either."""
    values = np.concatenate([train.values, test.values])
    labels = np.repeat(np.array([0, 1]), [len(train.values), len(test.values)])
    p_test = np.zeros(len(labels))
    areas: list[tuple[float, float]] = []
    learned = list(folds(values, labels, parts=_PARTS, seed=seed))
    for fold in learned:
        scores = p_test[fold.rows] = fold.probabilities(values[fold.rows])[:, 1]
        is_test = labels[fold.rows] == 1
        areas.append(auc(scores[is_test], scores[~is_test]))
    mean = float(np.mean([area for area, _ in areas]))
    shared = len(areas) / (len(areas) - 1)  # folds times held-out rows by training rows
    half = _Z * float(np.sqrt(sum(var for _, var in areas) * (1 + shared))) / len(areas)
    named: tuple[str, ...] = ()
    if mean - half > 0.5:
        drops = [
            _drops(fold, values[fold.rows], labels[fold.rows] == 1, area, seed)
            for fold, (area, _) in zip(learned, areas, strict=True)
        ]
        named = _columns(train, test, drops)
    share = len(test.values) / len(labels)
    mine = np.clip(p_test[: len(train.values)], 1e-6, 1 - 1e-6)
    odds = mine / (1 - mine) * (1 - share) / share
    return Shift(
        auc=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), columns=named, p_test=odds / (1 + odds)
    )


def _drops(
    fold: Fold, held: NDArray[np.float32], is_test: NDArray[np.bool_], area: float, seed: int
) -> dict[int, float]:
    """How much area is lost when a column of the held-out rows is shuffled (permutation importance)."""
    rng = np.random.default_rng(seed)
    lost: dict[int, float] = {}
    for column in np.argsort(-fold.importance, kind="stable")[:_ASKED]:
        mixed = held.copy()
        mixed[:, column] = rng.permutation(mixed[:, column])
        scores = fold.probabilities(mixed)[:, 1]
        lost[int(column)] = area - auc(scores[is_test], scores[~is_test])[0]
    return lost


def _columns(train: Features, test: Features, drops: Sequence[dict[int, float]]) -> tuple[str, ...]:
    """Columns whose own distribution differs beyond chance (Kolmogorov-Smirnov, 1 %, Bonferroni), those first that
    the classifier misses most. Where none does, what has changed is how columns go together: those that it misses."""
    n, m = len(train.values), len(test.values)
    differs: dict[int, float] = {}
    missed: dict[int, float] = {}
    for column in range(len(train.names)):
        distance = _distance(train.values[:, column], test.values[:, column])
        chance = 2 * np.exp(-2 * distance**2 * n * m / (n + m))
        drop = sum(fold.get(column, 0.0) for fold in drops) / _PARTS
        if chance * len(train.names) < 0.01:
            differs[column] = drop + distance
        elif drop > _DROP:
            missed[column] = drop
    found = differs or missed
    return tuple(train.names[column] for column in sorted(found, key=lambda column: -found[column]))


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    at = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(part), at, side="right") / len(part) for part in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())
