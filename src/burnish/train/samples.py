"""Which rows an epoch trains on, in what order, and how much each counts: weighting and curriculum of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.core.errors import RecipeError
from burnish.data.split import Batch, Split, mix_seed
from burnish.model.variant import predict
from burnish.train.losses import RowLoss
from burnish.train.settings import FitSettings
from burnish.train.weighting import Weighting

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """`difficulty` [N] of the training rows, higher is harder; only for a curriculum of easy rows first."""

    weighting: Weighting | None = None
    difficulty: Floats | None = None

    def batches(
        self, split: Split, settings: FitSettings, *, seed: int, epoch: int, device: torch.device
    ) -> Iterator[Batch]:
        """The batches of an epoch, augmented: a function of (seed, epoch). Every epoch has the same number of steps.

        Raises `RecipeError` when easy rows are to come first and nothing says which those are.
        """
        if not settings.curriculum:
            yield from split.shuffled(settings.batch_size, seed=seed, epoch=epoch, device=device)
            return
        allowed = self._ranks(settings, len(split), seed)[: _allowed(settings, len(split), epoch)]
        part, wanted, turn, index = split.take(allowed), split.num_batches(settings.batch_size), 0, 0
        while index < wanted:
            for rows in part.order(
                settings.batch_size, seed=seed, epoch=mix_seed(seed, epoch, turn) if turn else epoch
            ):
                if index < wanted:
                    generator = torch.Generator().manual_seed(mix_seed(seed, epoch, index))
                    yield split.batch(allowed[rows], generator, device=device)
                    index += 1
            turn += 1

    def _ranks(self, settings: FitSettings, count: int, seed: int) -> NDArray[np.int64]:
        """Row numbers in the order in which they come in; the random control has the same pace."""
        if settings.curriculum == "random":
            return np.random.default_rng(mix_seed(seed, -3, 0)).permutation(count)
        if self.difficulty is None or len(self.difficulty) != count:
            raise RecipeError("a curriculum needs the difficulty of every row", where="curriculum", help="measure it")
        return np.argsort(self.difficulty, kind="stable")


def _allowed(settings: FitSettings, count: int, epoch: int) -> int:
    """How many rows take part in an epoch: stages over the first half of the run, then all."""
    stage = int(2 * epoch / settings.epochs * settings.curriculum_stages)
    step = (1 - settings.curriculum_start) / settings.curriculum_stages
    share = min(1.0, settings.curriculum_start + stage * step)
    return max(min(count, 2), round(share * count))


def measure_difficulty(module: nn.Module, split: Split, loss: RowLoss, batch_size: int = 256) -> Floats:
    """Loss [N] of every row, as `module` (a short first training of a copy, on its device) sees it now."""
    device = next(module.parameters()).device
    found = [
        loss.rows(predict(module, batch.inputs), batch.targets).cpu().numpy()
        for batch in split.in_order(batch_size, device=device)
    ]
    return np.concatenate(found).astype(np.float64)
