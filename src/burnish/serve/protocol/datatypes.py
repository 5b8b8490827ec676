"""Tensors of the protocol: its datatypes, their JSON form and their bytes.

Little-endian, row by row. BYTES is a list of elements, each a 4-byte length and that many bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.serve.protocol.messages import Array, ProtocolError

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
_JSON: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str}}
"""What may stand in JSON for a kind of tensor."""


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


def from_json(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Array:
    """A tensor from JSON `data`, nested or flat. Raises `ProtocolError` when it does not fit."""
    dtype = numpy_type(datatype)
    if not isinstance(data, list):
        raise ProtocolError(400, f"input {name!r}: data must be a list")
    count = _count(name, datatype, shape)
    flat = _flat(data)
    if flat is None or not set(map(type, flat)) <= _JSON[dtype.kind]:
        raise ProtocolError(400, f"input {name!r}: data is not a regular list of {datatype} values")
    if len(flat) != count:
        raise ProtocolError(400, f"input {name!r}: {len(flat)} values where shape {list(shape)} takes {count}")
    if dtype.kind == "O":
        return _objects([value.encode(errors="surrogatepass") for value in flat]).reshape(shape)
    if dtype.kind in "iu":
        return whole_numbers(name, datatype, flat).reshape(shape)
    with np.errstate(over="ignore"):
        return np.array(flat, np.float64 if dtype.kind == "f" else dtype).astype(dtype).reshape(shape)


def whole_numbers(name: str, datatype: str, values: Sequence[int]) -> Array:
    """One dimension of whole numbers. Raises `ProtocolError` when one lies outside of the datatype."""
    dtype = numpy_type(datatype)
    fault = ProtocolError(400, f"input {name!r}: a value lies outside of {datatype}")
    try:
        found = np.fromiter(values, np.uint64 if datatype == "UINT64" else np.int64, len(values))
    except OverflowError:
        raise fault from None
    if found.size and not (_least(dtype) <= int(found.min()) and int(found.max()) <= _most(dtype)):
        raise fault
    return found.astype(dtype)


def check_text(what: str, text: str) -> str:
    """A name or an id of usual length. Raises `ProtocolError`."""
    if len(text) > MAX_TEXT:
        raise ProtocolError(400, f"{what} is longer than {MAX_TEXT} characters")
    return text


def strings(name: str, values: Sequence[bytes], shape: tuple[int, ...]) -> Array:
    """A BYTES tensor. Raises `ProtocolError` when there are too many or too few."""
    count = _count(name, "BYTES", shape)
    if len(values) != count:
        raise ProtocolError(400, f"input {name!r}: {len(values)} values where its shape takes {count}")
    return _objects(values).reshape(shape)


def from_bytes(name: str, datatype: str, shape: tuple[int, ...], raw: memoryview) -> Array:
    """A tensor over the bytes it came in, not copied. Raises `ProtocolError` when the size does not fit."""
    dtype = numpy_type(datatype)
    count = _count(name, datatype, shape)
    if datatype == "BYTES":
        return _elements(name, raw, count).reshape(shape)
    if len(raw) != count * dtype.itemsize:
        wanted = count * dtype.itemsize
        raise ProtocolError(400, f"input {name!r}: {len(raw)} bytes where {datatype} {list(shape)} takes {wanted}")
    found: Array = np.frombuffer(raw, dtype).reshape(shape)
    return found


def to_bytes(array: Array) -> bytes | memoryview:
    """The bytes of a tensor; not copied when it is contiguous."""
    if array.dtype.kind in "SUO":
        parts: list[bytes] = []
        for element in array.ravel():
            text = element if isinstance(element, bytes) else str(element).encode()
            parts += (len(text).to_bytes(4, "little"), text)
        return b"".join(parts)
    whole = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return whole.reshape(-1).view(np.uint8).data if whole.size else b""


def to_json(array: Array) -> list[object]:
    """The values of a tensor, flat. Text that is not UTF-8 has its faulty bytes replaced."""
    if array.dtype.kind in "SUO":
        return [e.decode(errors="replace") if isinstance(e, bytes) else str(e) for e in array.ravel()]
    values: list[object] = array.ravel().tolist()
    return values


def _count(name: str, datatype: str, shape: tuple[int, ...]) -> int:
    count = math.prod(shape)
    if datatype == "BYTES" and count > MAX_STRINGS:
        raise ProtocolError(400, f"input {name!r}: more than {MAX_STRINGS} BYTES elements")
    return count


def _flat(data: list[Any]) -> list[Any] | None:
    """The values of nested lists; None when they are not regular or nested too deep."""
    for _ in range(MAX_DIMS):
        if list not in set(map(type, data)):
            return data
        if set(map(type, data)) != {list} or len(set(map(len, data))) != 1:
            return None
        data = list(chain.from_iterable(data))
    return None


def _objects(values: Sequence[bytes]) -> NDArray[np.object_]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _elements(name: str, raw: memoryview, count: int) -> NDArray[np.object_]:
    fault = ProtocolError(400, f"input {name!r}: its bytes are not {count} elements with lengths before them")
    if count * 4 > len(raw):
        raise fault
    found = np.empty(count, dtype=object)
    place = 0
    for index in range(count):
        size = int.from_bytes(raw[place : place + 4], "little")
        place += 4
        if place + size > len(raw):
            raise fault
        found[index] = bytes(raw[place : place + size])
        place += size
        if place + 4 > len(raw) and index + 1 < count:
            raise fault
    if place != len(raw):
        raise fault
    return found


def _least(dtype: np.dtype[np.generic]) -> int:
    return int(np.iinfo(dtype).min)  # type: ignore[type-var]


def _most(dtype: np.dtype[np.generic]) -> int:
    return int(np.iinfo(dtype).max)  # type: ignore[type-var]
