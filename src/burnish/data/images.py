"""Compressed images (JPEG, PNG) to arrays: the only file that knows Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from burnish.core.errors import BadData


def decode(blob: bytes, *, where: str = "") -> NDArray[np.uint8]:
    """One image as uint8 [height, width, 3]. Raises `BadData`."""
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise BadData("an image cannot be read", where=where, why=str(error), help="remove or replace it") from None


def decode_all(blobs: Sequence[bytes], *, where: str = "") -> NDArray[np.uint8]:
    """Images of one size as uint8 [N, 3, height, width]. Raises `BadData` naming the row."""
    if not blobs:
        raise BadData("there are no images", where=where, help="give at least one row")
    first = decode(blobs[0], where=f"{where}, row 0")
    pixels = np.empty((len(blobs), 3, *first.shape[:2]), np.uint8)
    for row, blob in enumerate(blobs):
        image = decode(blob, where=f"{where}, row {row}")
        if image.shape != first.shape:
            raise BadData(
                f"images differ in size: {image.shape[:2]} after {first.shape[:2]}",
                where=f"{where}, row {row}",
                help="bring them to one size first",
            )
        pixels[row] = image.transpose(2, 0, 1)
    return pixels
