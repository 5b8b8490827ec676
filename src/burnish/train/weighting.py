"""How much every training row counts: a weight per row, from its class or from the model's confidence so far.

A weighting sees the loss of every row of every batch, by row number. Its weights are within a floor and a ceiling
and have mean 1 in a batch. For the first part of the run (`weighting_warmup`) all rows count the same, since an
untrained model's confidence says nothing. A weighting may also leave rows out: no step is spent on them, and where they
come nevertheless, for a teacher's answers, their labels count nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.core.doors import WEIGHTINGS
from burnish.core.errors import RecipeError
from burnish.data.split import Split
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings

FLOOR, CEILING = 0.05, 10.0
_MEMORY = 0.7
"""Decay of the average of a row's confidence from one time it is seen to the next."""


class Weighting(ABC):
    """Weights of rows. `split` holds all training rows. `follows` are the settings of `fit` that it goes by.

    `ranks` train together: all of them then call `weights` in the same steps, know the same of every row, and weigh
    the rows of the global batch against each other. `kept` bool [N]: rows that `fit` draws, None for all; `found` is a
    sentence on what the weighting made of the rows.
    """

    follows: ClassVar[tuple[str, ...]] = ("weighting_warmup",)
    kept: Tensor | None = None
    found: str = ""

    def __init__(self, split: Split, settings: FitSettings) -> None:
        self.ranks = Ranks()
        self.warmup = settings.weighting_warmup
        self.share = 0.0
        self.confidence = torch.ones(len(split))
        self.seen = torch.zeros(len(split), dtype=torch.bool)

    @abstractmethod
    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """Weights [B] before limits. `confidence` [B]: exp(-loss) of now, on the processor; `rows` int64 [B]."""

    def weights(self, losses: Tensor, rows: Tensor) -> Tensor:
        """Weights [B] of the rows of a batch, no gradient, on the device of `losses` [B]; remembers them.

        Their mean is 1 over the batch, which is the global one where there are ranks.
        """
        rows, now, mine = of_all(self.ranks, rows, torch.exp(-losses.detach().float()).cpu())
        before = torch.where(self.seen[rows], self.confidence[rows], now)
        self.confidence[rows] = _MEMORY * before + (1 - _MEMORY) * now
        self.seen[rows] = True
        if self.share < self.warmup or not len(rows):
            return torch.ones_like(losses.detach())
        found = self.raw(now, rows).float()
        limited = (found / found.mean().clamp_min(1e-12)).clamp(FLOOR, CEILING)
        if self.kept is not None:
            limited = limited * self.kept[rows]
        return (limited / limited.mean().clamp_min(1e-12))[mine].to(losses.device)

    def state(self) -> dict[str, Tensor]:
        """What has been seen, as tensors; a run that goes on needs it."""
        return {"confidence": self.confidence, "seen": self.seen}

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.confidence, self.seen = saved["confidence"].clone(), saved["seen"].clone()


def of_all(ranks: Ranks, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row numbers and values of all ranks, every row once, in the order of the ranks; and where this rank's are there.

    A rank may have none, or rows of another one (see `Batch.share`).
    """
    if ranks.world == 1:
        return rows, values, torch.arange(len(rows))
    counts: list[int] = ranks.each(torch.tensor(len(rows))).tolist()
    table = torch.zeros(2, max(counts), dtype=torch.float64)  # which holds row numbers and float32 as they are
    table[:, : len(rows)] = torch.stack([rows.double(), values.double()])
    parts = ranks.each(table)
    every = torch.cat([part[:, :count] for part, count in zip(parts, counts, strict=True)], dim=1)
    _, first, which = np.unique(every[0].numpy(), return_index=True, return_inverse=True)
    kept = np.sort(first)
    places = torch.from_numpy(np.searchsorted(kept, first[which]))
    begin = sum(counts[: ranks.rank])
    once = every[:, torch.from_numpy(kept)]
    return once[0].long(), once[1].float(), places[begin : begin + len(rows)]


def build_weighting(settings: FitSettings, split: Split) -> Weighting | None:
    """The weighting that the settings name, for these rows; None when every row counts the same."""
    if not settings.weighting:
        return None
    made: Weighting = WEIGHTINGS.get(settings.weighting)(split, settings)
    return made


def class_labels(targets: NDArray[np.generic], what: str) -> NDArray[np.int64]:
    """Targets as class numbers [N]. Raises `RecipeError` when they are none."""
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise RecipeError(
            f"the weighting {what} needs class numbers as targets",
            where="weighting",
            why=f"targets are {targets.dtype} of shape {list(targets.shape)}",
            help="leave weighting empty",
        )
    return targets.astype(np.int64)
