"""Labels that are likely wrong: confident learning (Northcutt, Jiang and Chuang 2021).

A row counts for class j when its probability of j is at least what rows labelled j have on average; rows that count
for another class than their own are the off-diagonal of the confident joint. Named are those whose own label is also
less than half as likely as the likeliest, at most as many of each label as the joint says are wrong, the least likely
first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LabelIssues:
    """`rows` int64 [K], worst first; `suggested` int64 [K]: the label that the model would give.

    `joint` [C, C]: estimated number of rows by given and true label. `confidence` [N]: probability of the given label.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]
    joint: Floats
    confidence: Floats

    @property
    def noise(self) -> float:
        """Estimated share of wrong labels."""
        return float(1 - np.trace(self.joint) / max(self.joint.sum(), 1e-12))


def find_label_issues(labels: NDArray[np.int64], probabilities: Floats) -> LabelIssues:
    """Likely wrong labels. `labels` [N] from 0, out-of-fold `probabilities` [N, C].

    Raises `BadData` when they do not fit together.
    """
    classes = probabilities.shape[1]
    if len(labels) != len(probabilities) or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise BadData("labels and probabilities do not fit", help="give one label from 0 and one row of C each")
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    limits = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    sure = np.where(probabilities >= limits, probabilities, -1.0)
    counted = sure.max(axis=1) >= 0
    likely = np.where(counted, sure.argmax(axis=1), labels)
    confident = np.zeros((classes, classes))
    np.add.at(confident, (labels[counted], likely[counted]), 1)
    confident[confident.sum(1) == 0] = np.eye(classes)[confident.sum(1) == 0]
    joint = confident / confident.sum(1, keepdims=True) * counts[:, None]
    chosen: list[NDArray[np.int64]] = []
    for given in range(classes):
        wrong = np.flatnonzero((labels == given) & (likely != given) & (2 * own < probabilities.max(1)))
        count = round(float(joint[given].sum() - joint[given, given]))
        chosen.append(wrong[np.argsort(own[wrong], kind="stable")[:count]])
    rows = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    rows = rows[np.argsort(own[rows], kind="stable")]
    return LabelIssues(rows=rows, suggested=probabilities[rows].argmax(1), joint=joint, confidence=own)
