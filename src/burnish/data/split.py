"""Rows in memory, and the order in which they become batches.

A split is a few NumPy arrays with one row per sample. `prepare` turns a batch of rows into model
inputs (scale, trim padding); `augment` changes training rows at random. The order of an epoch is
a function of (seed, epoch) alone, so a resumed run sees the same batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = Mapping[str, NDArray[np.generic]]
Tensors = dict[str, Tensor]
Prepare = Callable[[Tensors], Tensors]
Augment = Callable[[Tensors, torch.Generator], Tensors]

_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Model inputs by name, targets, and the row numbers they came from (int64)."""

    inputs: Tensors
    targets: Tensor
    rows: Tensor


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
        inputs: Tensors = {k: _tensor(array[rows], device) for k, array in self.inputs.items()}
        if generator is not None and self.augment is not None:
            inputs = self.augment(inputs, generator)
        if self.prepare is not None:
            inputs = self.prepare(inputs)
        return Batch(
            inputs=inputs, targets=_tensor(self.targets[rows], device), rows=torch.from_numpy(np.asarray(rows))
        )

    def in_order(self, batch_size: int, *, device: torch.device = _CPU) -> Iterator[Batch]:
        """Every row once, first to last, never augmented."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))), device=device)

    def shuffled(self, batch_size: int, *, seed: int, epoch: int, device: torch.device = _CPU) -> Iterator[Batch]:
        """One training epoch: every row once (a last batch of one row is dropped), augmented."""
        for index, rows in enumerate(self.order(batch_size, seed=seed, epoch=epoch)):
            generator = torch.Generator().manual_seed(mix_seed(seed, epoch, index))
            yield self.batch(rows, generator, device=device)

    def order(self, batch_size: int, *, seed: int, epoch: int) -> list[NDArray[np.integer]]:
        """Row numbers of each batch of an epoch; the same for the same seed and epoch."""
        rng = np.random.default_rng(mix_seed(seed, epoch, -1))
        rows = rng.permutation(len(self))
        if self.lengths is not None:
            window = batch_size * 32
            parts = [rows[i : i + window] for i in range(0, len(rows), window)]
            rows = np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in parts])
        batches: list[NDArray[np.integer]] = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches.pop()
        if self.lengths is not None:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches

    def num_batches(self, batch_size: int) -> int:
        """Batches of one training epoch."""
        full, rest = divmod(len(self), batch_size)
        return full + (rest > (1 if full else 0))

    def fingerprint(self) -> str:
        """Hex digest of every byte of the split."""
        whole = hashlib.sha256()
        for name, array in sorted({**self.inputs, "": self.targets}.items()):
            whole.update(f"{name}:{array.dtype}:{array.shape};".encode())
            whole.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
        return whole.hexdigest()


def _tensor(rows: NDArray[np.generic], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows)).to(device)


def mix_seed(seed: int, epoch: int, index: int) -> int:
    """A 63-bit seed of its own for every (seed, epoch, index)."""
    raw = f"{seed}/{epoch}/{index}".encode()
    return int.from_bytes(hashlib.sha256(raw).digest()[:8], "big") >> 1
