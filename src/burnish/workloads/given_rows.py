"""Rows as a user holds them in Python, arrays, tensors or batches of a loader, as splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from burnish.core.errors import BadData, did_you_mean
from burnish.data.split import Split


def split_from(data: Any, names: list[str], label: str) -> Split:
    """A pair (inputs, targets), or an iterable of such batches, as a split. Raises `BadData` naming `label`."""
    if isinstance(data, Split):
        return data
    if (isinstance(data, tuple | list) and len(data) == 2 and not isinstance(data[0], tuple | list)) or (
        isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], np.ndarray | Tensor)
    ):
        inputs, targets = _named(data[0], names), _array(data[1])
    elif isinstance(data, Iterable):
        inputs, targets = _joined(data, names, label)
    else:
        raise BadData(f"cannot read {type(data).__name__} as rows", where=label, help="give (inputs, targets)")
    for name, array in inputs.items():
        if len(array) != len(targets):
            raise BadData(f"{len(array)} rows of {name!r} but {len(targets)} targets", where=label)
    return Split(inputs=inputs, targets=targets)


def inputs_only(data: Any, names: list[str], train: Split) -> Split:
    """Inputs as a split whose targets mean nothing. Raises `BadData` when they do not fit the training rows."""
    inputs = _named(data, names)
    for name, array in train.inputs.items():
        if name not in inputs or inputs[name].shape[1:] != array.shape[1:]:
            found = "missing" if name not in inputs else f"of shape {list(inputs[name].shape[1:])} per row"
            raise BadData(
                f"{name!r} is {found}, training rows have {list(array.shape[1:])}",
                where="unlabelled",
                help="give the same inputs as for training, without targets",
            )
    rows = len(next(iter(inputs.values())))
    return Split(inputs=inputs, targets=np.zeros((rows, *train.targets.shape[1:]), train.targets.dtype))


def _joined(
    batches: Iterable[Any], names: list[str], label: str
) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.generic]]:
    parts: list[dict[str, NDArray[np.generic]]] = []
    targets: list[NDArray[np.generic]] = []
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise BadData("a batch is not (inputs, targets)", where=label, help="let the loader yield pairs")
        parts.append(_named(batch[0], names))
        targets.append(_array(batch[1]))
    if not parts:
        raise BadData("no rows", where=label)
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}, np.concatenate(targets)


def _named(inputs: Any, names: list[str]) -> dict[str, NDArray[np.generic]]:
    if isinstance(inputs, Mapping):
        unknown = [key for key in inputs if key not in names]
        if unknown:
            raise BadData(f"the model has no argument {unknown[0]!r}", help=did_you_mean(unknown[0], names))
        return {key: _array(value) for key, value in inputs.items()}
    several = inputs if isinstance(inputs, tuple | list) else (inputs,)
    if len(several) > len(names):
        raise BadData(f"{len(several)} inputs for a model that takes {len(names)}")
    return {name: _array(value) for name, value in zip(names, several, strict=False)}


def _array(value: Any) -> NDArray[np.generic]:
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array
