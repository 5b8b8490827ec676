"""Histograms of oriented gradients of pictures: which way edges run in each of 7 x 7 cells.

They say of shapes what a grid of brightness does not, and no model is needed. Large pictures are shrunk first.
Source: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection" (CVPR 2005); here with 8 directions
without sign, each pixel's strongest channel, and cells scaled by the energy of their 3 x 3 neighbourhood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CELLS = 7
_DIRECTIONS = 8
_LARGEST = 56
"""Pixels a side from which pictures are shrunk, by means of blocks."""
_CEILING = 2.0
_BLOCK = 256


def gradient_histograms(pixels: NDArray[np.generic]) -> Floats:
    """Histograms [N, cells of a column x cells of a row x 8] of pictures [N, C, H, W], numbers of any type."""
    return np.concatenate([_histograms(pixels[i : i + _BLOCK]) for i in range(0, max(1, len(pixels)), _BLOCK)])


def _histograms(pixels: NDArray[np.generic]) -> Floats:
    strength, direction = _gradients(_shrunk(pixels.astype(np.float32)))
    tall, wide = (_edges(size, _CELLS) for size in strength.shape[1:])
    place = direction * (_DIRECTIONS / np.pi)
    lower = np.floor(place)
    upper_share = place - lower
    cells = []
    for bin_ in range(_DIRECTIONS):
        share = (lower % _DIRECTIONS == bin_) * (1 - upper_share) + ((lower + 1) % _DIRECTIONS == bin_) * upper_share
        cells.append(np.add.reduceat(np.add.reduceat(strength * share, tall, axis=1), wide, axis=2))
    found = np.stack(cells, axis=-1)
    energy = np.pad(np.square(found).sum(-1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows, columns = len(tall), len(wide)
    around = np.mean([energy[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
    floor = 0.01 * around.mean((1, 2), keepdims=True) + 1e-6
    scaled = np.minimum(found / np.sqrt(around + floor)[..., None], _CEILING)
    flat: Floats = scaled.reshape(len(pixels), rows * columns * _DIRECTIONS).astype(np.float32)
    return flat


def _gradients(pixels: Floats) -> tuple[Floats, Floats]:
    """Strength and direction, 0 to pi, [N, H, W], of the channel where it is strongest; 0 at the border."""
    down, right = np.zeros_like(pixels), np.zeros_like(pixels)
    down[:, :, 1:-1] = pixels[:, :, 2:] - pixels[:, :, :-2]
    right[:, :, :, 1:-1] = pixels[:, :, :, 2:] - pixels[:, :, :, :-2]
    strength = np.hypot(down, right)
    most = strength.argmax(1)[:, None]
    down, right, strength = (np.take_along_axis(part, most, axis=1)[:, 0] for part in (down, right, strength))
    return strength, np.mod(np.arctan2(down, right), np.pi)


def _shrunk(pixels: Floats) -> Floats:
    for axis in (2, 3):
        size = pixels.shape[axis]
        if size > _LARGEST:
            edges = _edges(size, _LARGEST)
            counts = np.diff(np.append(edges, size))
            sums = np.add.reduceat(pixels, edges, axis=axis)
            pixels = (sums / (counts[:, None] if axis == 2 else counts)).astype(np.float32)
    return pixels


def _edges(size: int, parts: int) -> NDArray[np.int64]:
    """Where each of at most `parts` stretches of `size` begins."""
    return np.linspace(0, size, min(parts, size) + 1).astype(np.int64)[:-1]
