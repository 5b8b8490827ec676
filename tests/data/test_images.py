import io

import numpy as np
import pytest
from PIL import Image

from burnish.core.errors import BadData
from burnish.data.images import decode, decode_all


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


RED = np.zeros((4, 5, 3), np.uint8)
RED[..., 0] = 200


def test_decodes_colour_and_grey():
    assert np.array_equal(decode(png(RED)), RED)
    assert np.array_equal(decode(png(RED[..., 0])), np.repeat(RED[..., :1], 3, axis=2))


def test_decode_all_puts_channels_first():
    pixels = decode_all([png(RED), png(RED * 0)])
    assert pixels.shape == (2, 3, 4, 5)
    assert pixels[0, 0].min() == 200 and pixels[1].max() == 0


def test_faults_name_the_row():
    with pytest.raises(BadData, match="row 1"):
        decode_all([png(RED), b"no image"])
    with pytest.raises(BadData, match="row 1"):
        decode_all([png(RED), png(RED)[:45]])
    with pytest.raises(BadData, match="differ in size"):
        decode_all([png(RED), png(RED[:2])])
    with pytest.raises(BadData, match="no images"):
        decode_all([])
