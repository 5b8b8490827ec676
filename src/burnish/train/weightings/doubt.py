"""Doubt: rows whose label a quick classifier finds wrong hardly count, from the first step on; for wrong labels.

Before the training, trees on cheap features of the inputs guess every row's label out of fold, and confident learning
gives the probability that it is right (`burnish data check` shows the same rows). That is the weight; after the warm-up
times the model's own confidence in the label to the power 0.7, for what the trees did not see. Needs class numbers that
the trees can guess (60 % of them), else it is refused. Costs the trees, whatever the model is: some seconds per 10,000
rows, and no step. Hard rows count less, too: not for a long tail.
Sources: Northcutt et al., "Confident Learning" (JAIR 2021); Zhang and Sabuncu, "Generalized Cross Entropy Loss"
(NeurIPS 2018), whose gradient is that of the cross-entropy times the confidence to this power.
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

_POWER = 0.7


class Doubt(Weighting):
    """By a look before the training, then by the confidence of now, too."""

    def __init__(self, split: Split, settings: FitSettings) -> None:
        super().__init__(split, settings)
        self._late, self.warmup = settings.weighting_warmup, 0.0
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
        right = self._right[rows]
        return right if self.share < self._late else right * confidence**_POWER


PART = Doubt
