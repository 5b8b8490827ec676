"""How the rows of a global batch are dealt to the ranks.

Every rank walks through the same global batches and takes its part, so the order of the samples does not depend
on the number of ranks. A rank's loss is a mean over its own rows; it counts by `share`, so that the mean over the
ranks is the mean over the global batch, also where the rows do not divide evenly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from burnish.data.split import Batch, Split, mix_seed
from burnish.train.ranks import Ranks


def deal(rows: NDArray[np.integer], ranks: Ranks) -> tuple[NDArray[np.integer], float]:
    """This rank's rows of a global batch, and how much their mean counts: their number times world / all rows.

    Nobody gets a single row, which batch statistics could not be taken of. Where there are too few, the last ranks
    get the first two rows, which count nothing: they must take part in the exchange of gradients all the same.
    """
    served = max(1, min(ranks.world, len(rows) // 2))
    if ranks.rank >= served:
        return rows[:2], 0.0
    mine = np.array_split(rows, served)[ranks.rank]
    return mine, len(mine) * ranks.world / len(rows)


def dealt(
    split: Split, batch_size: int, *, seed: int, epoch: int, device: torch.device, ranks: Ranks
) -> Iterator[tuple[Batch, float]]:
    """One training epoch: this rank's part of each global batch of `batch_size` rows, and its share.

    Augmentation draws anew on every rank; with one rank everything is as in `Split.shuffled`.
    """
    if ranks.world == 1:
        yield from ((batch, 1.0) for batch in split.shuffled(batch_size, seed=seed, epoch=epoch, device=device))
        return
    for index, rows in enumerate(split.order(batch_size, seed=seed, epoch=epoch)):
        mine, share = deal(rows, ranks)
        generator = torch.Generator().manual_seed(mix_seed(seed, epoch, index * ranks.world + ranks.rank))
        yield split.batch(mine, generator, device=device), share
