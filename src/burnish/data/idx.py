"""IDX files, the format of MNIST and Fashion-MNIST: big-endian sizes, then the values.

Source: http://yann.lecun.com/exdb/mnist/ (the description of the format). Read with or without
gzip.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData, MissingData

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> NDArray[np.generic]:
    """The array in the file, in the machine's byte order. Raises `MissingData`, `BadData`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MissingData("there is no such file", where=str(path), help="check the path") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise BadData("the gzip file is damaged", where=str(path), why=str(error), help="fetch it again") from None
    if len(raw) < 4 or raw[:2] != b"\x00\x00" or raw[2] not in _DTYPES:
        raise BadData("this is no IDX file", where=str(path), help="give the file as it was published")
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4))
    dtype = np.dtype(_DTYPES[raw[2]])
    if len(raw) < start or len(raw) - start != math.prod(shape) * dtype.itemsize:
        raise BadData("the IDX file is cut short or too long", where=str(path), help="fetch it again")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
