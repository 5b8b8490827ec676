"""Column: every row counts as a file of `burnish data check --out` says, from the first step on.

Its column `weight` is 1 where nothing was found; where labels are doubtful it is the chance that the label is right,
where training and test rows differ it is higher for rows like the test rows. Any tool may change it before. Rows that
the file does not have weigh 1, and those of weight 0 are not drawn. The file must be of these very rows: their number
and hash are compared.
Source of the weights: see `doubt`, and Sugiyama et al., "Density Ratio Estimation in Machine Learning" (2012).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.core.errors import BadData
from burnish.data.split import Split
from burnish.data.tables.samples import read_samples
from burnish.train.settings import FitSettings
from burnish.train.weighting import Weighting

Floats = NDArray[np.float64]


class Column(Weighting):
    """From a file."""

    follows = ("weights",)

    def __init__(self, split: Split, settings: FitSettings) -> None:
        super().__init__(split, settings)
        self.warmup = 0.0
        self._take(torch.from_numpy(_weights(Path(settings.weights), split)).float())

    def _take(self, weights: Tensor) -> None:
        self._fixed, self.kept = weights, weights > 0
        if left := int((~self.kept).sum()):
            self.found = f"{left:,} of {len(weights):,} rows weigh 0 and are left out"

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """The weight of each row."""
        del confidence
        return self._fixed[rows]

    def state(self) -> dict[str, Tensor]:
        """With the weights themselves, so that a run goes on with those it began with."""
        return {**super().state(), "column": self._fixed}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        super().load(saved)
        self._take(saved["column"].clone())


def _weights(path: Path, split: Split) -> Floats:
    """Weights [N] of all rows of the split. Raises `MissingData`, `BadData`."""
    found = read_samples(path)
    again = f"run `burnish data check --out {path.name}` again on this data"
    if found.data_rows != len(split):
        raise BadData(
            "the weights are of other data",
            where=str(path),
            why=f"made from {found.data_rows:,} rows, and there are {len(split):,} training rows",
            help=again,
        )
    if found.data != split.fingerprint():
        raise BadData(
            "the weights are of other data",
            where=str(path),
            why=f"the hash of the rows it was made from is {found.data[:12]}, that of the training rows another",
            help=again,
        )
    outside = (found.rows < 0) | (found.rows >= len(split))
    wrong = outside | ~np.isfinite(found.weight) | (found.weight < 0)
    if wrong.any():
        raise BadData(
            f"{int(wrong.sum())} rows of the file have a weight below 0 or none, or are no training rows",
            where=str(path),
            help="give weights from 0 on",
        )
    weights = np.ones(len(split))
    weights[found.rows] = found.weight
    if not weights.any():
        raise BadData("all weights are 0", where=str(path), help="give the rows that count a weight above 0")
    if (weights == weights[0]).all():
        raise BadData("all weights are the same", where=str(path), help="leave weighting empty")
    return weights


PART = Column
