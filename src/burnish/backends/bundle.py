"""Bundles of named arrays: checked against a signature, and carried between NumPy and torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadRequest, BurnishError, did_you_mean
from burnish.core.signature import Signature, TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

Arrays = Mapping[str, NDArray[np.generic]]


def check_inputs(inputs: Arrays, signature: Signature) -> dict[str, int]:
    """Hold one batch of inputs against the signature; gives the size of every free dimension.

    Raises `BadRequest` on a missing or unknown name, another dtype, another rank or size, an
    empty dimension, and on two inputs that disagree about a free dimension.
    """
    known = [spec.name for spec in signature.inputs]
    for name in inputs:
        if name not in known:
            raise BadRequest(f"unknown input {name!r}", help=did_you_mean(name, known))
    sizes: dict[str, int] = {}
    for spec in signature.inputs:
        if spec.name not in inputs:
            raise BadRequest(f"input {spec.name!r} is missing", help=f"give {_shape(spec)} of {spec.dtype}")
        array = inputs[spec.name]
        if not isinstance(array, np.ndarray):
            raise BadRequest(f"input {spec.name!r} is a {type(array).__name__}", help="give a NumPy array")
        _check_array(array, spec, sizes)
    return sizes


def _check_array(array: NDArray[np.generic], spec: TensorSpec, sizes: dict[str, int]) -> None:
    if _name(array.dtype) != spec.dtype:
        raise BadRequest(
            f"input {spec.name!r} is {array.dtype.name}, expected {spec.dtype}",
            help=f"convert it with .astype({spec.dtype!r})",
        )
    if array.ndim != len(spec.shape):
        raise _wrong_shape(array, spec, help="add or remove dimensions; the first one is the batch")
    for size, dim in zip(array.shape, spec.shape, strict=True):
        if isinstance(dim, int):
            if size != dim:
                raise _wrong_shape(array, spec)
        elif size == 0:
            raise _wrong_shape(array, spec, why=f"{dim} is 0")
        elif sizes.setdefault(dim, size) != size:
            raise _wrong_shape(array, spec, why=f"{dim} is {sizes[dim]} in an earlier input")


@lru_cache(64)
def _name(dtype: np.dtype[np.generic]) -> str:
    """numpy makes it anew every time, which takes longer than all other checks together."""
    return dtype.name


def _wrong_shape(array: NDArray[np.generic], spec: TensorSpec, *, why: str = "", help: str = "") -> BadRequest:
    found = "(" + ", ".join(map(str, array.shape)) + ")"
    return BadRequest(f"input {spec.name!r} has the shape {found}, expected {_shape(spec)}", why=why, help=help)


def _shape(spec: TensorSpec) -> str:
    return "(" + ", ".join(map(str, spec.shape)) + ")"


def to_torch(inputs: Arrays) -> dict[str, Tensor]:
    """Tensors that own a copy of each array."""
    import torch

    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in inputs.items()}


def to_numpy(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.generic]]:
    """Arrays with the values of each tensor; bfloat16, which NumPy lacks, becomes float32."""
    return {name: _array(tensor) for name, tensor in tensors.items()}


def name_outputs(outputs: Sequence[Tensor], signature: Signature) -> dict[str, NDArray[np.generic]]:
    """Outputs in the order of the signature, under its names."""
    return {spec.name: _array(tensor) for spec, tensor in zip(signature.outputs, outputs, strict=True)}


def call_failed(backend: str, inputs: Arrays, error: Exception) -> BurnishError:
    """The error to raise when a backend fails on inputs that fit the signature."""
    shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
    return BurnishError(
        f"the backend {backend!r} failed on these inputs",
        where=shapes,
        why=f"{type(error).__name__}: {error}"[:500],
        help="if other sizes work, a dimension was frozen when the model was exported: use another backend",
    )


def check_outputs(outputs: Arrays, inputs: Arrays, signature: Signature, backend: str) -> None:
    """Hold outputs against the signature at the sizes of the inputs.

    A runtime may answer with another shape, and with wrong numbers in it, when a dimension was frozen
    at export. Raises `BurnishError`.
    """
    sizes = {
        dim: size
        for spec in signature.inputs
        for dim, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        if isinstance(dim, str)
    }
    for spec in signature.outputs:
        wanted = [dim if isinstance(dim, int) else sizes.get(dim) for dim in spec.shape]
        found = outputs[spec.name].shape
        if len(found) != len(wanted) or any(w not in (None, f) for w, f in zip(wanted, found, strict=True)):
            wrong = ValueError(f"output {spec.name!r} has the shape {found}, expected {_shape(spec)}")
            raise call_failed(backend, inputs, wrong)


def _array(tensor: Tensor) -> NDArray[np.generic]:
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    array: NDArray[np.generic] = tensor.numpy()
    return array
