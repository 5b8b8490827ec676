"""What a quick classifier makes of the labels of a split: which are likely wrong, by the inputs alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.data.samples.classifier import out_of_fold
from burnish.data.samples.features import Features
from burnish.data.samples.gradients import gradient_histograms
from burnish.data.samples.label_issues import LabelIssues, find_label_issues
from burnish.data.split import Split

FEWEST = 50
"""Rows below which nothing is said."""
_PARTS = 5
_KNOWS = 0.6
"""Share of the labels that the quick classifier must guess right; else its doubts say more about it than about them."""

_HARD = 0.05
"""Share of right labels of hard rows that is doubted at most: 2 to 4 % where that was measured."""
_SURE = 0.76
"""Mean probability, by a careful estimate, that a doubted label is wrong, from which wrong labels are behind the doubt.
With 20 % planted it was 0.78 and more where at least 80 % of those doubted were planted, and 0.69 to 0.75 where classes
overlap and about half of them were."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """`issues` number the labels by their place in `known` (the labels that occur, ascending); None with a `reason`."""

    issues: LabelIssues | None
    known: NDArray[np.int64]
    reason: str = ""

    @property
    def share(self) -> float:
        """Share of the labels that are likelier wrong than right."""
        return 0.0 if self.issues is None else len(self.issues.rows) / max(1, len(self.issues.right))

    @property
    def noisy(self) -> bool:
        """Whether wrong labels are behind the doubts, not hard rows or classes that overlap."""
        return self.issues is not None and self.share > _HARD and self.issues.sure >= _SURE

    @property
    def told(self) -> str:
        """What is to be thought of the doubts, in half a sentence."""
        if self.issues is None:
            return self.reason
        share = f"{self.share:.1%} of {len(self.issues.right):,} labels are doubtful"
        if self.share <= _HARD:
            return f"{share}, no more than hard rows can be"
        return share if self.noisy else f"{share}, but classes that overlap are more likely the cause than wrong labels"


def doubt_labels(part: Split, found: Features) -> Doubt:
    """The label issues of a split with these features, out of fold; the same for the same rows."""
    if part.targets.ndim != 1 or part.targets.dtype.kind not in "iu":
        return _silent(f"targets are {part.targets.dtype} of shape {list(part.targets.shape)}, not class numbers")
    known, labels = np.unique(part.targets.astype(np.int64), return_inverse=True)
    if len(part) < FEWEST or len(known) < 2:
        return _silent(f"{len(part)} rows of {len(known)} classes are too few")
    if (fewest := int(np.bincount(labels).min())) < _PARTS:
        return _silent(f"a class has {fewest} rows, and {_PARTS} are needed")
    probabilities = out_of_fold(_with_shapes(part, found), labels, parts=_PARTS)
    guessed = float((probabilities.argmax(1) == labels).mean())
    if guessed < _KNOWS:
        return _silent(f"a quick classifier guesses {guessed:.0%} of the labels, and {_KNOWS:.0%} are needed")
    return Doubt(issues=find_label_issues(labels, probabilities), known=known)


def _with_shapes(part: Split, found: Features) -> NDArray[np.float32]:
    """The features, and what way edges run where an input is a picture."""
    pictures = [gradient_histograms(array) for _, array in sorted(part.inputs.items()) if array.ndim == 4]
    return np.concatenate([found.values, *pictures], axis=1)


def _silent(reason: str) -> Doubt:
    return Doubt(issues=None, known=np.empty(0, np.int64), reason=reason)
