"""Which rows an epoch trains on, in what order, and how much each counts: weighting and curriculum of one run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.core.errors import RecipeError
from burnish.data.order import batches as order_of
from burnish.data.order import mix_seed, num_batches
from burnish.data.prefetch import ahead
from burnish.data.split import Batch, Split
from burnish.model.variant import predict
from burnish.train.losses import RowLoss
from burnish.train.settings import FitSettings
from burnish.train.weighting import Weighting

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """`difficulty` [N] of the training rows, higher is harder; only for a curriculum of easy rows first.

    `every` row is drawn, or none of those that the weighting leaves out.
    """

    weighting: Weighting | None = None
    difficulty: Floats | None = None
    every: bool = False

    def batches(
        self,
        split: Split,
        settings: FitSettings,
        *,
        seed: int,
        epoch: int,
        device: torch.device,
        first: int = 0,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> Generator[Batch, None, None]:
        """The batches of an epoch from `first` on, augmented, as `Split.shuffled` gives them.

        Every epoch has the same number of steps. Raises `RecipeError` when easy rows are to come first and nothing
        says which those are.
        """
        place = {"seed": seed, "epoch": epoch, "rank": rank, "world": world}
        if not settings.curriculum and self._kept() is None:
            return split.shuffled(settings.batch_size, device=device, first=first, workers=workers, **place)
        order = self._order(split, settings, seed, epoch)

        def make(index: int) -> Batch:
            return split.training_batch(order[index], index, device=device, **place)

        return ahead((partial(make, index) for index in range(first, len(order))), workers)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Within the block the weighting may see batches; afterwards it knows nothing of them."""
        before = {} if self.weighting is None else {k: v.clone() for k, v in self.weighting.state().items()}
        yield
        if self.weighting is not None:
            self.weighting.load(before)

    def _order(self, split: Split, settings: FitSettings, seed: int, epoch: int) -> list[NDArray[np.integer]]:
        """Row numbers of each batch; rows that are allowed come again until the epoch has its number of batches.

        Without a curriculum an epoch goes on where the one before ended, so all rows come equally often.
        """
        ranks, kept = self._ranks(settings, split, seed), self._kept()
        ranks = ranks if kept is None else ranks[kept[ranks]]
        allowed = ranks[: _allowed(settings, len(ranks), epoch)] if settings.curriculum else ranks
        lengths = None if split.lengths is None else split.lengths[allowed]
        wanted, each = split.num_batches(settings.batch_size), num_batches(len(allowed), settings.batch_size)
        first, skip = (epoch, 0) if settings.curriculum else divmod(epoch * wanted, each)
        batches: list[NDArray[np.integer]] = []
        again = first
        while len(batches) < skip + wanted:
            order = order_of(len(allowed), settings.batch_size, seed=seed, epoch=again, lengths=lengths)
            batches += [allowed[rows] for rows in order]
            again = mix_seed(seed, epoch, len(batches)) if settings.curriculum else again + 1
        return batches[skip : skip + wanted]

    def _kept(self) -> NDArray[np.bool_] | None:
        """Rows that are drawn at all; None for all of them."""
        kept = None if self.weighting is None or self.every else self.weighting.kept
        return None if kept is None or bool(kept.all()) else kept.numpy()

    def _ranks(self, settings: FitSettings, split: Split, seed: int) -> NDArray[np.int64]:
        """Row numbers in the order in which they come in; the random control has the same pace."""
        count = len(split)
        if not settings.curriculum:
            return np.arange(count)
        if settings.curriculum == "random":
            return np.random.default_rng(mix_seed(seed, -3, 0)).permutation(count)
        if self.difficulty is None or len(self.difficulty) != count:
            raise RecipeError("a curriculum needs the difficulty of every row", where="curriculum", help="measure it")
        return _easy_first(self.difficulty, split.targets)


def _allowed(settings: FitSettings, count: int, epoch: int) -> int:
    """How many rows take part in an epoch: stages over the first part of the run, then all.

    The middle of an epoch says which stage it is in. The last whole epoch has all rows, so none is never learned from.
    """
    if epoch + 1 >= int(settings.epochs):
        return count
    stage = int((epoch + 0.5) / settings.epochs / settings.curriculum_share * settings.curriculum_stages)
    step = (1 - settings.curriculum_start) / settings.curriculum_stages
    share = min(1.0, settings.curriculum_start + stage * step)
    return max(min(count, 2), round(share * count))


def _easy_first(difficulty: Floats, targets: NDArray[np.generic]) -> NDArray[np.int64]:
    """Row numbers, easiest first; by their place within their class where targets are class numbers.

    So every class has the share of the rows that it has in all of them, however hard it is.
    """
    order = np.argsort(difficulty, kind="stable")
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        return order
    place = np.empty(len(order))
    for label in np.unique(targets):
        own = order[targets[order] == label]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.argsort(place, kind="stable")


def measure_difficulty(module: nn.Module, split: Split, loss: RowLoss, batch_size: int = 256) -> Floats:
    """Loss [N] of every row, as `module` (a short first training of a copy, on its device) sees it now."""
    device = next(module.parameters()).device
    found = [
        loss.rows(predict(module, batch.inputs), batch.targets).cpu().numpy()
        for batch in split.in_order(batch_size, device=device)
    ]
    return np.concatenate(found).astype(np.float64)
