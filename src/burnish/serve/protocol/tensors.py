"""Tensors of the protocol, from and to JSON and bytes.

Little-endian, row by row. BYTES is a list of elements, each a 4-byte length and that many bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.serve.protocol.datatypes import MAX_DIMS, MAX_STRINGS, numpy_type
from burnish.serve.protocol.messages import Array, ProtocolError

_JSON: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str}}
"""What may stand in JSON for a kind of tensor."""


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
