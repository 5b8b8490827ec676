"""Rows and how they become batches.

A split is a few NumPy arrays with one row per sample, in memory or mapped from a file. `prepare` turns a batch
of rows into model inputs (scale, trim padding); `augment` changes training rows at random. The order of an epoch
is a function of (seed, epoch) alone (see `order`), so a resumed run sees the same batches.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.data.order import batches, mix_seed, num_batches, of_rank
from burnish.data.prefetch import ahead

Arrays = Mapping[str, NDArray[np.generic]]
Tensors = dict[str, Tensor]
Prepare = Callable[[Tensors], Tensors]
Augment = Callable[[Tensors, torch.Generator], Tensors]

_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Model inputs by name, targets, and the row numbers they came from (int64).

    `share` is this rank's part of the rows of the global batch: the gradient of the global mean loss is the sum
    over the ranks of share times the gradient of the rank's mean loss. It is 1 without ranks, and 0 for a rank
    that a short last batch leaves without rows: it gets two that do not count, so that all ranks take the step.
    """

    inputs: Tensors
    targets: Tensor
    rows: Tensor
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Split:
    """One part of a data set.

    `inputs`: name -> array [N, ...]; `targets`: array [N, ...]; `lengths`: int array [N] when rows
    differ in length (batches are then made of rows of similar length).

    `prepare` and `augment` get tensors on the device that the batch is made for, and answer there;
    what they draw comes from a generator of the processor, the same for every device.
    """

    inputs: Arrays
    targets: NDArray[np.generic]
    prepare: Prepare | None = None
    augment: Augment | None = None
    lengths: NDArray[np.generic] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: NDArray[np.integer] | slice) -> Split:
        """The split with only these rows, in this order."""
        return replace(
            self,
            inputs={name: array[rows] for name, array in self.inputs.items()},
            targets=self.targets[rows],
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def with_unlabelled(self, other: Split) -> Split:
        """These rows, then the inputs of `other`, whose targets are set to 0: they stand for nothing.

        Both have the same inputs; `prepare` and `augment` of this split are used for all.
        """
        empty = np.zeros((len(other), *self.targets.shape[1:]), self.targets.dtype)
        lengths = None
        if self.lengths is not None and other.lengths is not None:
            lengths = np.concatenate([self.lengths, other.lengths])
        return replace(
            self,
            inputs={name: np.concatenate([array, other.inputs[name]]) for name, array in self.inputs.items()},
            targets=np.concatenate([self.targets, empty]),
            lengths=lengths,
        )

    def batch(
        self,
        rows: NDArray[np.integer],
        generator: torch.Generator | None = None,
        *,
        device: torch.device = _CPU,
    ) -> Batch:
        """These rows as model inputs on `device`; augmented when a generator is given. `rows` stay on the processor."""
        inputs: Tensors = {k: _tensor(np.take(array, rows, axis=0), device) for k, array in self.inputs.items()}
        if generator is not None and self.augment is not None:
            inputs = self.augment(inputs, generator)
        if self.prepare is not None:
            inputs = self.prepare(inputs)
        return Batch(
            inputs=inputs,
            targets=_tensor(np.take(self.targets, rows, axis=0), device),
            rows=torch.from_numpy(np.asarray(rows)),
        )

    def in_order(self, batch_size: int, *, device: torch.device = _CPU) -> Iterator[Batch]:
        """Every row once, first to last, never augmented."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))), device=device)

    def shuffled(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        device: torch.device = _CPU,
        first: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
    ) -> Generator[Batch, None, None]:
        """One training epoch from its batch `first` on: every row once (a last batch of one row is dropped), augmented.

        `batch_size` is of the global batch. Of each, rank `rank` of `world` gets its consecutive part. `workers`
        threads make the next batches ahead; the batches are the same for any number of them.
        """
        order = self.order(batch_size, seed=seed, epoch=epoch)

        def make(index: int) -> Batch:
            return self.training_batch(
                order[index], index, seed=seed, epoch=epoch, device=device, rank=rank, world=world
            )

        return ahead((functools.partial(make, index) for index in range(first, len(order))), workers)

    def training_batch(
        self,
        rows: NDArray[np.integer],
        index: int,
        *,
        seed: int,
        epoch: int,
        device: torch.device = _CPU,
        rank: int = 0,
        world: int = 1,
    ) -> Batch:
        """A rank's part of the global batch `index` of an epoch, which has these rows; augmented."""
        mine = of_rank(rows, rank, world)
        generator = None
        if self.augment is not None:
            mixed = mix_seed(seed, epoch, index)
            generator = torch.Generator().manual_seed(mixed if world == 1 else mix_seed(mixed, rank, world))
        batch = self.batch(mine if len(mine) else rows[:2], generator, device=device)
        return batch if world == 1 else replace(batch, share=len(mine) / len(rows))

    def order(self, batch_size: int, *, seed: int, epoch: int) -> Sequence[NDArray[np.integer]]:
        """Row numbers of each batch of an epoch; the same for the same seed and epoch."""
        return batches(len(self), batch_size, seed=seed, epoch=epoch, lengths=self.lengths)

    def num_batches(self, batch_size: int) -> int:
        """Batches of one training epoch."""
        return num_batches(len(self), batch_size)

    def fingerprint(self) -> str:
        """Hex digest of every byte of the split."""
        whole = hashlib.sha256()
        for name, array in sorted({**self.inputs, "": self.targets}.items()):
            whole.update(f"{name}:{array.dtype}:{array.shape};".encode())
            whole.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
        return whole.hexdigest()


def _tensor(rows: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows)).to(device)
