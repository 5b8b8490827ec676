"""Small images for folders of them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def picture(path: Path) -> None:
    """One of four by four pixels, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
