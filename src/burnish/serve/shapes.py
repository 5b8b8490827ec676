"""Which requests may share a batch: rows of equal shape, or of shapes that padding makes equal.

Padding is allowed only where it was seen to change nothing (see `Engine`): sizes of free dimensions
then count in steps, and a request is filled up with zeros to the next one. What it gets back is cut to its own
sizes again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.signature import Signature, TensorSpec
from burnish.serve.protocol.messages import Array

Arrays = Mapping[str, Array]
Bucket = tuple[tuple[str, tuple[int, ...]], ...]
"""Of every input: its name and the shape of a row."""

_SMALL_STEP, _SMALL, _STEP = 16, 128, 64


def step_up(size: int) -> int:
    """The next step: multiples of 16 up to 128, then of 64."""
    step = _SMALL_STEP if size <= _SMALL else _STEP
    return -(-size // step) * step


@dataclass(frozen=True)
class Shapes:
    """Buckets of a model's requests. `padded` are the free dimensions that count in steps."""

    signature: Signature
    padded: frozenset[str] = frozenset()

    def bucket(self, inputs: Arrays) -> Bucket:
        """What a request has in common with those it may share a batch with."""
        return tuple((spec.name, self._row(spec, inputs[spec.name].shape)) for spec in self.signature.inputs)

    def fits(self, small: Hashable, large: Hashable) -> bool:
        """Whether a request of one bucket can be padded to another, larger one."""
        if not self.padded or small == large or not isinstance(small, tuple) or not isinstance(large, tuple):
            return False
        return all(
            size == more or (word in self.padded and size < more)
            for spec, (_, own), (_, other) in zip(self.signature.inputs, small, large, strict=True)
            for word, size, more in zip(spec.shape[1:], own, other, strict=True)
        )

    def sizes(self, inputs: Arrays) -> dict[str, int]:
        """The request's own sizes of the padded dimensions."""
        return {
            word: size
            for spec in self.signature.inputs
            for word, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
            if isinstance(word, str) and word in self.padded
        }

    def cut(self, outputs: Arrays, sizes: Mapping[str, int]) -> dict[str, Array]:
        """Outputs of a request's rows without what padding added; copies."""
        found: dict[str, Array] = {}
        for spec in self.signature.outputs:
            window = tuple(slice(sizes.get(word) if isinstance(word, str) else None) for word in spec.shape)
            found[spec.name] = np.array(outputs[spec.name][window])
        return found

    def _row(self, spec: TensorSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
        pairs = zip(spec.shape[1:], shape[1:], strict=True)
        return tuple(step_up(size) if word in self.padded else size for word, size in pairs)


def fill(place: Array, arrays: Sequence[Array]) -> None:
    """Lay requests of one input into `place` [rows, ...], one behind the other, zeros where they are smaller."""
    if any(array.shape[1:] != place.shape[1:] for array in arrays):
        place[...] = 0
    row = 0
    for array in arrays:
        window = (slice(row, row + len(array)), *(slice(size) for size in array.shape[1:]))
        place[window] = array
        row += len(array)
