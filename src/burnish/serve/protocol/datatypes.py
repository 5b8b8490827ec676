"""The protocol's datatypes, and the bounds of shapes and names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from burnish.serve.protocol.messages import ProtocolError

MAX_DIMS = 16
MAX_ELEMENTS = 1 << 31
MAX_STRINGS = 1 << 16
"""Elements of a BYTES tensor. Each is an object of its own, a hundred times slower to read than a number."""
MAX_TEXT = 1024
"""Characters of a name or an id."""

_NUMPY = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
DATATYPES = tuple(_NUMPY)
"""Every datatype that is understood."""

_NAMES = {dtype: name for name, dtype in _NUMPY.items()}


def numpy_type(datatype: str) -> np.dtype[np.generic]:
    """numpy's type of a datatype. Raises `ProtocolError`."""
    found = _NUMPY.get(datatype)
    if found is None:
        raise ProtocolError(400, f"unknown datatype {datatype[:32]!r}; known: {', '.join(DATATYPES)}")
    return found


@lru_cache(64)
def datatype_of(dtype: np.dtype[np.generic] | str) -> str:
    """The protocol's name of a numpy type; text is BYTES. Raises `KeyError` on a type it does not have."""
    kind = np.dtype(dtype)
    return "BYTES" if kind.kind in "SUO" else _NAMES[kind.newbyteorder("<")]


def check_shape(name: str, shape: object) -> tuple[int, ...]:
    """A shape as the request gives it. Raises `ProtocolError` unless it is a short list of sizes."""
    if not isinstance(shape, Sequence) or isinstance(shape, str | bytes) or len(shape) > MAX_DIMS:
        raise ProtocolError(400, f"input {name!r}: shape must be a list of at most {MAX_DIMS} sizes")
    if not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in shape):
        raise ProtocolError(400, f"input {name!r}: every size of shape must be a whole number from 0 to {MAX_ELEMENTS}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise ProtocolError(400, f"input {name!r}: shape has more than {MAX_ELEMENTS} elements")
    return tuple(shape)


def check_text(what: str, text: str) -> str:
    """A name or an id of usual length. Raises `ProtocolError`."""
    if len(text) > MAX_TEXT:
        raise ProtocolError(400, f"{what} is longer than {MAX_TEXT} characters")
    return text
