"""Doubt: rows whose label a quick classifier finds wrong hardly count, from the first step on; for wrong labels.

Before the training, trees on cheap features of the inputs guess every row's label out of fold, and confident learning
gives the probability that it is right (`burnish data check` shows the same rows). That is the weight, without a
warm-up. Needs class numbers that the trees can guess (60 % of them), else it is refused. Costs the trees, whatever the
model is: some seconds per 10,000 rows, and no step. Hard rows count less, too: not for a long tail.
Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021).
"""

from __future__ import annotations

import torch
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
        found = doubt_labels(split, features(split))
        if found.issues is None:
            raise RecipeError(
                "the weighting doubt cannot tell right labels from wrong ones here",
                where="weighting",
                why=found.reason,
                help="set weighting to trust, which goes by the model alone",
            )
        self._right = torch.from_numpy(found.issues.right).float()

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """0 to 1."""
        del confidence
        return self._right[rows]


PART = Doubt
