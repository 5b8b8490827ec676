"""Doubt: rows whose label a quick classifier finds wrong are left out, and no step is spent on them; for wrong labels.

Before the training, trees and a softmax regression on cheap features of the inputs guess every row's label out of fold,
and confident learning gives the probability that it is right (`burnish data check` shows the same rows). Rows that are
likelier wrong than right are not drawn, but at least half of each class is; an epoch keeps its number of steps. Where
recovery has a teacher they are drawn, and their label hardly counts. Where at most 5 % of the labels are doubted, or
the doubts are not sure ones (hard rows, classes that overlap), all rows count the same. Needs class numbers that the
classifier can guess (60 % of them), else it is refused. Costs some seconds per 10,000 rows, whatever the model is, and
no step. Hard rows are doubted, too: not for a long tail.
Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.core.errors import RecipeError
from burnish.data.samples.doubt import doubt_labels
from burnish.data.samples.features import features
from burnish.data.split import Split
from burnish.train.settings import FitSettings
from burnish.train.weighting import Weighting


class Doubt(Weighting):
    """By a look before the training."""

    follows = ()

    def __init__(self, split: Split, settings: FitSettings) -> None:
        super().__init__(split, settings)
        self.warmup = 0.0
        looked = doubt_labels(split, features(split))
        if looked.issues is None:
            raise RecipeError(
                "the weighting doubt cannot tell right labels from wrong ones here",
                where="weighting",
                why=looked.reason,
                help="set weighting to trust, which goes by the model alone",
            )
        stays = ~_left_out(split.targets, looked.issues.right) if looked.noisy else np.ones(len(split), bool)
        self.kept = self._stays = torch.from_numpy(stays)
        out = int((~stays).sum())
        self.found = f"{looked.told}: {f'{out:,} rows are left out' if out else 'all rows count the same'}"

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """1, or 0 for rows that are left out."""
        del confidence
        return self._stays[rows].float()

    def state(self) -> dict[str, Tensor]:
        """With the rows that stay, so that a run goes on with those it began with."""
        return {**super().state(), "stays": self._stays}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        super().load(saved)
        self.kept = self._stays = saved["stays"].clone()


def _left_out(targets: NDArray[np.generic], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows [N] likelier wrong than right, but of no class more than the lower half."""
    _, labels = np.unique(targets, return_inverse=True)
    medians = np.array([np.median(right[labels == label]) for label in range(int(labels.max()) + 1)])
    out: NDArray[np.bool_] = right < np.minimum(0.5, medians)[labels]
    return out


PART = Doubt
