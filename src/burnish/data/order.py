"""In which order rows become batches: a function of (seed, epoch) and the sizes alone, whoever asks and from where.

A batch here is the global one, of all ranks together. So the whole state of a run is how many batches are done,
and it can go on with another number of ranks or workers.

Up to 4,194,304 rows are one permutation in memory. More are shuffled on two levels, in memory that does not grow:
stretches of 1,024 consecutive rows are dealt out at random by a keyed Feistel network, and rows are permuted within
windows of 1,024 stretches. So a table that is not in memory is read in stretches. Where the table begins is random
too, for the stretch that is not full. Source: Luby & Rackoff 1988; cycle walking as in Black & Rogaway 2002.

The last batch of an epoch is shorter; when it is a single row it is dropped, in a random place each epoch.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer]

STRETCH = 1024
WINDOW = 1024 * STRETCH
IN_MEMORY = 4 * WINDOW
_SORTED_BATCHES = 32
_ROUNDS = 6


def mix_seed(seed: int, epoch: int, index: int) -> int:
    """A 63-bit seed of its own for every (seed, epoch, index)."""
    raw = f"{seed}/{epoch}/{index}".encode()
    return int.from_bytes(hashlib.sha256(raw).digest()[:8], "big") >> 1


def num_batches(count: int, batch_size: int) -> int:
    """Batches of one epoch of `count` rows."""
    full, rest = divmod(count, batch_size)
    return full + (rest > (1 if full else 0))


def batches(
    count: int, batch_size: int, *, seed: int, epoch: int, lengths: NDArray[np.generic] | None = None
) -> Sequence[Rows]:
    """Row numbers of each batch of an epoch. With `lengths` [count], batches hold rows of similar length."""
    if count > IN_MEMORY:
        return Windowed(count, batch_size, seed=seed, epoch=epoch, lengths=lengths)
    rng = np.random.default_rng(mix_seed(seed, epoch, -1))
    rows = rng.permutation(count)
    if lengths is not None:
        window = batch_size * _SORTED_BATCHES
        parts = [rows[i : i + window] for i in range(0, count, window)]
        rows = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    cut = [rows[i : i + batch_size] for i in range(0, count, batch_size)][: num_batches(count, batch_size)]
    return cut if lengths is None else [cut[i] for i in rng.permutation(len(cut))]


def of_rank(rows: Rows, rank: int, world: int) -> Rows:
    """A rank's rows of a global batch: consecutive ones, at most one more than any other rank has.

    Nobody gets a single row, of which no batch statistics can be taken: of too few the last ranks get none.
    """
    served = max(1, min(world, len(rows) // 2))
    return rows[len(rows) * rank // served : len(rows) * (rank + 1) // served] if rank < served else rows[:0]


class Windowed(Sequence[Rows]):
    """The batches of a large table, each made when it is asked for; two windows of rows are kept."""

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        lengths: NDArray[np.generic] | None = None,
        stretch: int = STRETCH,
        window: int = WINDOW,
    ) -> None:
        """`window` is a multiple of `stretch`, so that windows hold whole stretches."""
        self._count, self._size = count, batch_size
        self._seed, self._epoch = mix_seed(seed, epoch, -1), epoch
        self._stretch, self._window = stretch, window
        self._first = self._seed % count
        self._kept = functools.lru_cache(maxsize=2)(self._make)
        grouped = None if lengths is None else functools.partial(self._group, lengths)
        self._groups = None if grouped is None else functools.lru_cache(maxsize=2)(grouped)

    def __len__(self) -> int:
        return num_batches(self._count, self._size)

    @overload
    def __getitem__(self, index: int) -> Rows: ...
    @overload
    def __getitem__(self, index: slice) -> list[Rows]: ...
    def __getitem__(self, index: int | slice) -> Rows | list[Rows]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if self._groups is None:
            return self.rows(index * self._size, min((index + 1) * self._size, self._count))
        number, place = divmod(index, _SORTED_BATCHES)
        return self._groups(number)[place]

    def rows(self, start: int, stop: int) -> Rows:
        """The rows at these places of the epoch."""
        parts = []
        for number in range(start // self._window, (stop - 1) // self._window + 1):
            begin = number * self._window
            parts.append(self._kept(number)[max(0, start - begin) : stop - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _make(self, number: int) -> Rows:
        """The rows of a window. What is left over after the last full stretch belongs to the last window."""
        full = self._count // self._stretch
        per_window = self._window // self._stretch
        places = np.arange(number * per_window, min((number + 1) * per_window, full))
        starts = feistel(places, full, self._seed) * self._stretch
        rows = (starts[:, None] + np.arange(self._stretch)).reshape(-1)
        if (number + 1) * self._window > full * self._stretch:
            rows = np.concatenate([rows, np.arange(full * self._stretch, self._count)])
        np.random.default_rng(mix_seed(self._seed, self._epoch, number)).shuffle(rows)
        return (rows + self._first) % self._count

    def _group(self, lengths: NDArray[np.generic], number: int) -> list[Rows]:
        """32 batches, sorted by length together, then dealt out in random order."""
        begin = number * _SORTED_BATCHES * self._size
        end = min(begin + _SORTED_BATCHES * self._size, len(self) * self._size, self._count)
        rows = self.rows(begin, end)
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        cut = [rows[i : i + self._size] for i in range(0, len(rows), self._size)][: num_batches(len(rows), self._size)]
        rng = np.random.default_rng(mix_seed(self._seed, self._epoch, -3 - number))
        return [cut[i] for i in rng.permutation(len(cut))]


def feistel(places: NDArray[np.integer], count: int, key: int) -> NDArray[np.int64]:
    """A permutation of 0 to `count` - 1 (at most 2^62), keyed, at these places: needs no memory of its own."""
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    keys = [np.uint64(mix_seed(key, turn, count)) for turn in range(_ROUNDS)]
    out = np.asarray(places).astype(np.uint64)
    todo = np.arange(len(out))
    while len(todo):
        left, right = out[todo] >> np.uint64(half), out[todo] & mask
        for turn in keys:
            left, right = right, left ^ (_mix(right ^ turn) & mask)
        out[todo] = (left << np.uint64(half)) | right
        todo = todo[out[todo] >= count]
    return out.astype(np.int64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Stafford's variant 13 of the finalizer of MurmurHash3; it wraps around at 2^64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
