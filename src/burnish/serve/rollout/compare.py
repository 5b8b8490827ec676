"""How much of a candidate's answer differs from the stable version's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from burnish.core.manifest import Manifest
from burnish.measure.agreement import agreement
from burnish.serve.protocol.messages import Array

_CLASSES = ("accuracy", "f1", "top5")
"""Metrics of models whose outputs are scores of classes."""


def scores_classes(manifest: Manifest) -> bool:
    """Whether a model's outputs are scores, of which the largest counts."""
    return bool(manifest.labels) or manifest.evidence.get("metric") in _CLASSES


def differing(ours: Mapping[str, Array], theirs: Mapping[str, Array], *, classes: bool, distance: float) -> float:
    """Share of rows in which any output differs from `theirs`; 1 when they cannot be compared.

    Scores [rows, ..., classes] differ where another class is the largest; other numbers where the relative distance
    |a - b| / |b| of the row is larger than `distance` (or not a number); codes and texts where they are not equal.
    """
    rows = len(next(iter(theirs.values())))
    found = np.zeros(rows, dtype=bool)
    for name, reference in theirs.items():
        array = ours.get(name)
        if array is None or array.shape != reference.shape:
            return 1.0
        if reference.dtype.kind != "f":
            found |= (array != reference).reshape(rows, -1).any(axis=1)
        elif classes and reference.ndim > 1 and reference.shape[-1] > 1:
            found |= _other_class(array, reference)
        else:
            found |= _far(array, reference, distance)
    return float(found.mean())


def _other_class(array: Array, reference: Array) -> NDArray[np.bool_]:
    tops = [agreement(array[row : row + 1], reference[row : row + 1]).top1 for row in range(len(reference))]
    return np.array([top != 1.0 for top in tops]) | ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)


def _far(array: Array, reference: Array, distance: float) -> NDArray[np.bool_]:
    one, other = (part.astype(np.float64).reshape(len(part), -1) for part in (array, reference))
    apart, length = np.linalg.norm(one - other, axis=1), np.linalg.norm(other, axis=1)
    near: NDArray[np.bool_] = apart <= distance * length
    return ~near
