"""A quick classifier asked only about rows that it did not learn from. scikit-learn is late and known here.

Extremely randomized trees (Geurts et al. 2006): no scaling, no tuning, robust to some wrong labels. For labels the mean
of their probabilities and a softmax regression's is taken where it fits the labels better: the two err on other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_TREES = 100
_FEWER_TREES = 50
"""Where a softmax regression has a say, too."""
_LEAF = 3
_LOGITS = 2.0
"""Variance of a logit by the regression's prior; features are standardized, so each weight has its part of that."""
_FAR = 10.0
"""Standard deviations at which the regression's features are cut."""
_TOLERANCE, _MOST = 1e-2, 1000
"""Of its solver: the gradient at which it stops, and steps that are far more than it needs for that."""
_LEARN = 12_000
"""Rows that a classifier learns from at most, drawn at random. All rows are asked about."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One held-out part: its row numbers, and a function from features [M, F] to probabilities [M, C]."""

    rows: Rows
    importance: Floats
    ask: object

    def probabilities(self, values: NDArray[np.float32]) -> Floats:
        """Class probabilities [M, C] of rows of features."""
        found: Floats = self.ask.predict_proba(values)  # type: ignore[attr-defined]
        return found


def folds(
    values: NDArray[np.float32], labels: NDArray[np.int64], *, parts: int, seed: int, trees: int = _TREES
) -> Iterator[Fold]:
    """Trees for each part of the rows, learned from the other parts; each class is spread evenly.

    `labels` are 0 to C - 1. Raises `BadData` when a class has fewer rows than there are parts.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    for learn, held in _parted(labels, parts, seed):
        forest = ExtraTreesClassifier(trees, min_samples_leaf=_LEAF, max_features="sqrt", random_state=seed)
        forest.fit(values[learn], labels[learn])
        yield Fold(rows=held, importance=forest.feature_importances_, ask=forest)


def _parted(labels: NDArray[np.int64], parts: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to learn from and rows held out, part by part. Raises `BadData`."""
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(labels).min(initial=len(labels)))
    if fewest < parts:
        raise BadData(f"a class has {fewest} rows, too few for {parts} parts", help=f"give {parts} rows of each class")
    for learn, held in StratifiedKFold(parts, shuffle=True, random_state=seed).split(labels, labels):
        yield _some(learn, labels, seed), held


def _some(rows: Rows, labels: NDArray[np.int64], seed: int) -> Rows:
    """At most `_LEARN` of the rows, at random, with one of each class at least."""
    mixed = np.random.default_rng(seed).permutation(rows)
    _, first = np.unique(labels[mixed], return_index=True)
    return np.concatenate([mixed[first], np.delete(mixed, first)])[:_LEARN]


def out_of_fold(values: NDArray[np.float32], labels: NDArray[np.int64], *, parts: int = 5, seed: int = 0) -> Floats:
    """Class probabilities [N, C] of every row, from classifiers that did not see it. Raises `BadData`."""
    trees, both = (np.zeros((len(labels), int(labels.max()) + 1)) for _ in range(2))
    for fold in folds(values, labels, parts=parts, seed=seed, trees=_FEWER_TREES):
        trees[fold.rows] = fold.probabilities(values[fold.rows])
    for learn, held in _parted(labels, parts, seed):
        both[held] = (trees[held] + _regression(values[learn], labels[learn], values[held])) / 2
    return both if _fit(both, labels) > _fit(trees, labels) else trees


def _fit(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Mean logarithm of what the labels are given."""
    return float(np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6)).mean())


def _regression(values: NDArray[np.float32], labels: NDArray[np.int64], asked: NDArray[np.float32]) -> Floats:
    """Probabilities [M, C] of the rows `asked`, by a softmax regression on columns that have a spread."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    useful = spread > 1e-9 * np.abs(mean)
    if not useful.any():
        return np.tile(np.bincount(labels) / len(labels), (len(asked), 1))

    def standard(rows: NDArray[np.float32]) -> Floats:
        found: Floats = np.clip((rows[:, useful] - mean[useful]) / spread[useful], -_FAR, _FAR)
        return found

    model = LogisticRegression(C=_LOGITS / int(useful.sum()), tol=_TOLERANCE, max_iter=_MOST)
    model.fit(standard(values), labels)
    found: Floats = model.predict_proba(standard(asked))
    return found
