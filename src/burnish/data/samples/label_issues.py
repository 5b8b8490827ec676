"""Labels that are likely wrong: confident learning (Northcutt, Jiang and Chuang 2021).

A row counts for class j when its probability of j is at least what rows labelled j have on average; the counts by given
and counted class are the confident joint, and its columns the chance of each given label where another is true. With
it a row's probabilities become those of its true label (the noise is taken back, Patrini et al. 2017), and so the
probability that its own label is right. Where the classifier alone finds its label less than a fifth as likely as the
likeliest, that share stands for it when it is lower: the joint finds labels that are mistaken for one other label, but
has few rows in each cell where wrong labels are drawn from many.

Where classes overlap, a label can be unlikely and right, and the joint takes such rows for wrong ones. So a second,
more careful estimate of the noise judges what was named: by the rows that the classifier finds most like each class
(anchor points, Patrini et al.), whose label is unlikely for no other reason than noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData

Floats = NDArray[np.float64]

_RIGHT = 0.5
_UNLIKELY = 0.2
_ANCHORS = 0.5
"""Rows most like a class that are its anchors, as a share of the rows labelled so."""


@dataclass(frozen=True, kw_only=True)
class LabelIssues:
    """`rows` int64 [K], worst first: likelier wrong than right; `suggested` int64 [K]: the likeliest other label.

    `right` [N]: probability that the given label is the true one. `confidence` [N]: what the classifier gives it.
    `sure`: mean probability that a named label is wrong, by the careful estimate; 0 when none is named.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    right: Floats
    confidence: Floats
    sure: float

    def mistaken(self, labels: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Given and suggested label and how many of `rows` have both, most first. `labels` [N]: all given ones."""
        pairs, counts = np.unique(np.stack([labels[self.rows], self.suggested]), axis=1, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]


def find_label_issues(labels: NDArray[np.int64], probabilities: Floats) -> LabelIssues:
    """Likely wrong labels. `labels` [N] from 0, out-of-fold `probabilities` [N, C].

    Raises `BadData` when they do not fit together.
    """
    count, classes = probabilities.shape
    if len(labels) != count or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise BadData("labels and probabilities do not fit", help="give one label from 0 and one row of C each")
    rows = np.arange(count)
    own = probabilities[rows, labels]
    joint = _joint(labels, probabilities, own)
    given = joint / np.maximum(joint.sum(0), 1e-12)
    right, true = _right(labels, probabilities, given)
    careful, _ = _right(labels, probabilities, _at_anchors(labels, probabilities))
    share = own / np.maximum(probabilities.max(axis=1), 1e-12)
    right = np.where(share < _UNLIKELY, np.minimum(right, share), right)
    named = np.flatnonzero(right < _RIGHT)
    named = named[np.argsort(share[named], kind="stable")]
    others = true[named]
    others[np.arange(len(named)), labels[named]] = -1.0
    sure = float(1 - careful[named].mean()) if len(named) else 0.0
    return LabelIssues(rows=named, suggested=others.argmax(1), right=right, confidence=own, sure=sure)


def _right(labels: NDArray[np.int64], probabilities: Floats, given: Floats) -> tuple[Floats, Floats]:
    """Probability [N] of every label to be right, and what each row's true label is [N, C], up to a factor.

    `given` [C, C]: chance of each given label (row) where another is true (column).
    """
    true: Floats = np.maximum(probabilities @ np.linalg.pinv(given.T), 0.0)
    fits = given[labels] * true
    return fits[np.arange(len(labels)), labels] / np.maximum(fits.sum(1), 1e-12), true


def _at_anchors(labels: NDArray[np.int64], probabilities: Floats) -> Floats:
    """Chance [C, C] of each given label (row) where another is true (column): what is found at the anchors of that."""
    classes = probabilities.shape[1]
    found = np.eye(classes)
    for label, count in enumerate(np.bincount(labels, minlength=classes)):
        if count:
            most = np.argsort(-probabilities[:, label], kind="stable")[: max(1, round(_ANCHORS * count))]
            found[:, label] = probabilities[most].mean(0)
    return found


def _joint(labels: NDArray[np.int64], probabilities: Floats, own: Floats) -> Floats:
    """The confident joint [C, C] by given and true label, scaled to the number of rows of each given label."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    limits = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    sure = np.where(probabilities >= limits, probabilities, -1.0)
    counted = sure.max(axis=1) >= 0
    confident = np.zeros((classes, classes))
    np.add.at(confident, (labels[counted], sure[counted].argmax(axis=1)), 1)
    empty = confident.sum(1) == 0
    confident[empty] = np.eye(classes)[empty]
    scaled: Floats = confident / confident.sum(1, keepdims=True) * counts[:, None]
    return scaled
