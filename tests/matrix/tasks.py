"""Small tasks, real (handwritten digits, tumour records) or made: arrays for training and for the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits

Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Inputs by the forward method's names, targets, and how they are judged."""

    inputs: dict[str, Array]
    targets: Array
    loss: Any = "cross_entropy"
    metric: str = "accuracy"
    num_test: int = 400
    dynamic: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def train(self) -> tuple[dict[str, Array], Array]:
        return {name: array[self.num_test :] for name, array in self.inputs.items()}, self.targets[self.num_test :]

    @property
    def test(self) -> tuple[dict[str, Array], Array]:
        return {name: array[: self.num_test] for name, array in self.inputs.items()}, self.targets[: self.num_test]


@cache
def _digits() -> tuple[Array, Array]:
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    return (bunch.images[order] / 16).astype(np.float32), bunch.target[order].astype(np.int64)


def pictures(size: int = 32, name: str = "x") -> Task:
    """Digits as pictures of three equal colours, [N, 3, size, size]."""
    images, labels = _digits()
    large = np.kron(images, np.ones((size // 8, size // 8), np.float32))
    return Task(inputs={name: np.repeat(large[:, None], 3, 1) - 0.3}, targets=labels)


def clips(frames: int = 4, size: int = 16) -> Task:
    """Digits that fade in over a few frames, [N, 3, frames, size, size]."""
    images, labels = _digits()
    large = np.kron(images, np.ones((size // 8, size // 8), np.float32))
    light = np.linspace(0.4, 1.0, frames, dtype=np.float32).reshape(1, 1, frames, 1, 1)
    return Task(inputs={"x": np.repeat(large[:, None, None], 3, 1) * light - 0.3}, targets=labels)


def rows(name: str = "x", free: bool = False) -> Task:
    """Digits read row by row, [N, 8, 8]; with `free` the second dimension is declared dynamic."""
    images, labels = _digits()
    return Task(inputs={name: images}, targets=labels, dynamic={name: {1: "length"}} if free else {})


def tokens(name: str = "input_ids", free: bool = False) -> Task:
    """Digits as 64 tokens, one per pixel: 1 to 17, [N, 64] int64."""
    images, labels = _digits()
    ids = np.round(images.reshape(len(images), 64) * 16).astype(np.int64) + 1
    return Task(inputs={name: ids}, targets=labels, dynamic={name: {1: "length"}} if free else {})


def first_token(vocabulary: int = 24, length: int = 12) -> Task:
    """A made task: name the first token of a sequence, of as many classes as there are tokens."""
    ids = np.random.default_rng(1).integers(0, vocabulary, (2400, length))
    return Task(inputs={"ids": ids}, targets=ids[:, 0].copy())


def halves() -> Task:
    """Upper and lower half of each digit as two inputs, [N, 1, 4, 8] and [N, 32]."""
    images, labels = _digits()
    return Task(inputs={"upper": images[:, None, :4], "lower": images[:, 4:].reshape(-1, 32)}, targets=labels)


def table() -> Task:
    """Breast cancer records: 30 numbers, two classes."""
    bunch = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    data = ((bunch.data - bunch.data.mean(0)) / bunch.data.std(0))[order].astype(np.float32)
    return Task(inputs={"x": data}, targets=bunch.target[order].astype(np.int64), num_test=150)


def same_picture() -> Task:
    """Digits to be given back, [N, 1, 8, 8]; judged by the mean squared error."""
    images, _ = _digits()
    return Task(inputs={"x": images[:, None]}, targets=images[:, None].copy(), loss="mse", metric="mse")
