"""A quick classifier asked only about rows that it did not learn from. scikit-learn is late and known here.

Extremely randomized trees (Geurts et al. 2006): no scaling, no tuning, robust to some wrong labels.
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
_LEAF = 3
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


def folds(values: NDArray[np.float32], labels: NDArray[np.int64], *, parts: int, seed: int) -> Iterator[Fold]:
    """A classifier per part of the rows, learned from the other parts; each class is spread evenly.

    `labels` are 0 to C - 1. Raises `BadData` when a class has fewer rows than there are parts.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(labels).min(initial=len(labels)))
    if fewest < parts:
        raise BadData(f"a class has {fewest} rows, too few for {parts} parts", help=f"give {parts} rows of each class")
    for learn, held in StratifiedKFold(parts, shuffle=True, random_state=seed).split(values, labels):
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=_LEAF, max_features="sqrt", random_state=seed)
        some = _some(learn, labels, seed)
        trees.fit(values[some], labels[some])
        yield Fold(rows=held, importance=trees.feature_importances_, ask=trees)


def _some(rows: Rows, labels: NDArray[np.int64], seed: int) -> Rows:
    """At most `_LEARN` of the rows, at random, with one of each class at least."""
    mixed = np.random.default_rng(seed).permutation(rows)
    _, first = np.unique(labels[mixed], return_index=True)
    return np.concatenate([mixed[first], np.delete(mixed, first)])[:_LEARN]


def out_of_fold(values: NDArray[np.float32], labels: NDArray[np.int64], *, parts: int = 5, seed: int = 0) -> Floats:
    """Class probabilities [N, C] of every row, from a classifier that did not see it. Raises `BadData`."""
    found = np.zeros((len(labels), int(labels.max()) + 1))
    for fold in folds(values, labels, parts=parts, seed=seed):
        found[fold.rows] = fold.probabilities(values[fold.rows])
    return found
