"""What goes into a model and what comes out: names, dtypes and shapes.

A dimension is a number, or a word when it may vary between calls: `("batch", 3, 32, 32)`,
`("batch", "length")`. The first dimension is the batch.
"""

from __future__ import annotations

from burnish.core.noun import Noun

Dim = int | str


class TensorSpec(Noun):
    """One input or output. `dtype` is numpy's name: float32, int64, bool ..."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]

    def resolve(self, **sizes: int) -> tuple[int, ...]:
        """The shape with its words replaced: `spec.resolve(batch=8, length=128)`."""
        return tuple(d if isinstance(d, int) else sizes[d] for d in self.shape)


class Signature(Noun):
    """All inputs and outputs of a model, in the order of its forward method."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def free_dims(self) -> tuple[str, ...]:
        """The words used as dimensions, first seen first."""
        words = [d for spec in self.inputs for d in spec.shape if isinstance(d, str)]
        return tuple(dict.fromkeys(words))


class Served(Noun):
    """A shape at which the model will be served, and at which latency is measured.

    `sizes` gives every free dimension but the batch: `Served(batch=1, sizes={"length": 128})`.
    With `sizes={"length": 0}` requests keep the length that the data has ("own length").
    """

    batch: int = 1
    sizes: dict[str, int] = {}

    @property
    def label(self) -> str:
        """Short text for tables: `batch 1, length 128`."""
        parts = [f"batch {self.batch}"]
        parts += [f"{name} {size or 'own'}" for name, size in self.sizes.items()]
        return ", ".join(parts)
