import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.samples.gradients import gradient_histograms


def stripes(direction: str, size: int = 28, channels: int = 1):
    wave = 100 + 80 * np.sin(np.arange(size) * 2 * np.pi / 7)
    picture = np.tile(wave, (size, 1)) if direction == "upright" else np.tile(wave[:, None], (1, size))
    return np.tile(picture, (2, channels, 1, 1)).astype(np.uint8)


@pytest.mark.parametrize(("direction", "strongest"), [("upright", 0), ("lying", 4)])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (28, 3), (224, 3)])
def test_the_direction_of_edges_is_seen(direction, strongest, size, channels):
    pixels = np.repeat(np.repeat(stripes(direction, 28, channels), size // 28, axis=2), size // 28, axis=3)
    found = gradient_histograms(pixels)
    assert found.shape == (2, 7 * 7 * 8) and found.dtype == np.float32
    by_direction = found.reshape(2, 49, 8).sum(1)
    assert (by_direction.argmax(1) == strongest).all()
    assert (by_direction[:, strongest] > 0.9 * by_direction.sum(1)).all()


@settings(max_examples=30)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 3),
    st.floats(0.05, 50),
    st.floats(-100, 100),
    st.integers(0, 9),
)
def test_any_size_and_no_matter_how_bright_or_strong(height, width, channels, factor, more, seed):
    pixels = np.random.default_rng(seed).uniform(0, 255, (3, channels, height, width))
    found = gradient_histograms(pixels)
    assert found.shape == (3, min(7, height) * min(7, width) * 8) and np.isfinite(found).all()
    assert np.allclose(found, gradient_histograms(factor * pixels + more), atol=0.02)


def test_every_row_stands_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 1, 9, 9), dtype=np.uint8)
    assert np.allclose(gradient_histograms(pixels)[300:310], gradient_histograms(pixels[300:310]))
    assert gradient_histograms(pixels[:0]).shape == (0, 7 * 7 * 8)
