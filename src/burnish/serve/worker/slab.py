"""Memory that two processes share, to lay tensors into: made by one, mapped by the other.

It has no name in any file system: its file descriptor travels with a message, and it is gone with
the last process that holds it, however that one ends. Linux only.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence

import numpy as np

from burnish.serve.protocol.messages import Array

Spec = tuple[str, np.dtype[np.generic], tuple[int, ...]]
Layout = list[tuple[str, str, list[int], int]]
"""Of every tensor: name, numpy dtype, shape, and the byte it begins at."""

_ALIGN = 64
_LEAST = 1 << 16


def lay_out(tensors: Sequence[Spec]) -> tuple[Layout, int]:
    """Where each tensor goes, and how many bytes they take together."""
    layout: Layout = []
    place = 0
    for name, dtype, shape in tensors:
        layout.append((name, dtype.str, list(shape), place))
        place += -(-dtype.itemsize * math.prod(shape) // _ALIGN) * _ALIGN
    return layout, place


class Slab:
    """A block of this process, written anew for every batch. It only grows."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._fd = -1
        self.size = 0

    def reserve(self, size: int) -> int | None:
        """Make room. The file descriptor to hand over when the block is a new one, else None."""
        if size <= self.size:
            return None
        self.close()
        self.size = max(_LEAST, 1 << (size - 1).bit_length())
        self._fd = os.memfd_create("burnish-slab")
        os.ftruncate(self._fd, self.size)
        self._map = mmap.mmap(self._fd, self.size)
        return self._fd

    def arrays(self, layout: Layout) -> dict[str, Array]:
        """Arrays over the block, to be written to."""
        return _arrays(self._map, layout)

    def close(self) -> None:
        """Let go of the block; the other process may hold it still."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._map, self.size = -1, None, 0


class Window:
    """The other process's block."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None

    def adopt(self, fd: int) -> None:
        """Map a block that was handed over in place of the one before; takes the descriptor."""
        try:
            self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        finally:
            os.close(fd)

    def arrays(self, layout: Layout) -> dict[str, Array]:
        """Arrays over what lies there; valid until the other process writes again."""
        return _arrays(self._map, layout)


def _arrays(block: mmap.mmap | None, layout: Layout) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, dtype, shape, place in layout:
        kind: np.dtype[np.generic] = np.dtype(dtype)
        if math.prod(shape) == 0 or block is None:
            found[name] = np.empty(tuple(shape), kind)
        else:
            found[name] = np.ndarray(tuple(shape), kind, block, place)
    return found
