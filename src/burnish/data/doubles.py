"""Rows with the same inputs, byte for byte, in one split or in two: all rows, by a hash of 64 bits of each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.data.split import Split

Rows = NDArray[np.int64]
Keys = NDArray[np.uint64]

MOST_BYTES = 2 << 30
"""Inputs of a split that are read, some seconds of work: of a larger one only the first rows are compared."""
_BLOCK_BYTES = 1 << 20
_FEWEST_BYTES = 256
"""A row counts for no fewer: small ones take their time to compare, not to read."""


@dataclass(frozen=True, kw_only=True)
class Doubles:
    """`rows` of the split `names[1]` that are also rows of `names[0]`, where the first such ones are `partners`.

    With one name twice, they are rows that are there again, and partners are earlier. The first `compared` of `total`
    rows were looked at, and of the other split the first `known` of `others`.
    """

    names: tuple[str, str]
    rows: Rows
    partners: Rows
    compared: int
    total: int
    known: int
    others: int

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        one, other = self.names
        whole = self.compared == self.total
        count = f"{self.total:,}" if whole else f"the first {self.compared:,} (of {self.total:,})"
        told = f"{len(self.rows):,} of {count} {other} rows ({100 * len(self.rows) / max(1, self.compared):.3g} %)"
        if one == other:
            return f"{told} are there twice: row {self.rows[0]} is row {self.partners[0]}" if len(self.rows) else told
        among = "" if self.known == self.others else f" among the first {self.known:,} (of {self.others:,})"
        return f"{told} are also {one} rows{among}: what is measured on {other} is flattered"


def find_doubles(train: Split, **others: Split) -> tuple[Doubles, ...]:
    """Rows of `train` that are there again, then rows that two of the splits share, each pair in the order given."""
    splits = {"train": train, **others}
    keys = {name: row_hashes(split) for name, split in splits.items()}
    pairs = [("train", "train"), *itertools.combinations(splits, 2)]
    return tuple(
        _compare((one, other), (keys[one], keys[other]), (len(splits[one]), len(splits[other]))) for one, other in pairs
    )


def find_shared(one: Split, other: Split, names: tuple[str, str]) -> Doubles:
    """Rows of `other` that are also rows of `one`."""
    return _compare(names, (row_hashes(one), row_hashes(other)), (len(one), len(other)))


def row_hashes(split: Split) -> Keys:
    """A hash of the inputs of each row; the same for the same bytes. Of the first rows, when there are many bytes."""
    arrays = [array for _, array in sorted(split.inputs.items())]
    sizes = [array.dtype.itemsize * int(np.prod(array.shape[1:])) for array in arrays]
    words = max(1, -(-sum(sizes) // 8))
    count = min(len(split), max(1, MOST_BYTES // max(_FEWEST_BYTES, 8 * words)))
    salts = np.random.default_rng(0).integers(0, 2**64, words, np.uint64)
    found = np.empty(count, np.uint64)
    step = max(1, _BLOCK_BYTES // (8 * words))
    for start in range(0, count, step):
        rows = min(step, count - start)
        block, at = np.zeros((rows, words), np.uint64), 0
        for array, size in zip(arrays, sizes, strict=True):
            raw = np.ascontiguousarray(array[start : start + rows]).reshape(rows, -1).view(np.uint8)
            block.view(np.uint8)[:, at : at + size] = raw
            at += size
        found[start : start + rows] = _mixed(block, salts)
    return found


def _mixed(block: Keys, salts: Keys) -> Keys:
    """Every word [N, W] hashed with the salt of its place, and these added up [N]. `block` is overwritten.

    The hash is that of SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    block ^= salts
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        block ^= block >> np.uint64(shift)
        block *= np.uint64(factor)
    block ^= block >> np.uint64(31)
    keys: Keys = block.sum(axis=1, dtype=np.uint64)
    return keys


def _compare(names: tuple[str, str], keys: tuple[Keys, Keys], totals: tuple[int, int]) -> Doubles:
    one, other = keys
    if names[0] == names[1]:
        first = _first(one)
        rows = np.flatnonzero(first != np.arange(len(one)))
    else:
        first = _first(np.concatenate([one, other]))[len(one) :]
        rows = np.flatnonzero(first < len(one))
    return Doubles(
        names=names,
        rows=rows,
        partners=first[rows],
        compared=len(other),
        total=totals[1],
        known=len(one),
        others=totals[0],
    )


def _first(keys: Keys) -> Rows:
    """[N]: the first place of the same key. Most data has no doubles, and a plain sort says so sooner."""
    ordered = np.sort(keys)
    if (ordered[1:] != ordered[:-1]).all():
        return np.arange(len(keys))
    places = np.argsort(keys, kind="stable")
    ordered = keys[places]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    first = np.empty(len(keys), np.int64)
    first[places] = np.repeat(places[starts], np.diff(np.append(starts, len(keys))))
    return first
