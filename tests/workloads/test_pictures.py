import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.workloads.pictures import CropAndFlip, Enlarge, Normalize


def reference(image, top, left, padding):
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    return padded[:, top : top + image.shape[1], left : left + image.shape[2]]


@settings(max_examples=25)
@given(
    padding=st.integers(0, 4),
    channels=st.integers(1, 3),
    size=st.integers(5, 9),
    seed=st.integers(0, 99),
    flip=st.booleans(),
)
def test_every_row_is_a_crop_or_its_mirror_image(padding, channels, size, seed, flip):
    batch = torch.randint(1, 256, (4, channels, size, size), dtype=torch.uint8)
    augment = CropAndFlip(padding=padding, flip=flip)
    out = augment({"image": batch}, torch.Generator().manual_seed(seed))["image"]
    assert out.dtype == torch.uint8 and out.shape == batch.shape
    for before, after in zip(batch.numpy(), out.numpy(), strict=True):
        shifts = range(2 * padding + 1)
        crops = [reference(before, top, left, padding) for top in shifts for left in shifts]
        if flip:
            crops += [crop[:, :, ::-1] for crop in crops]
        assert any(np.array_equal(after, crop) for crop in crops)


def test_rows_are_augmented_apart_and_the_batch_is_not_touched():
    batch = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).repeat(32, 1, 1, 1)
    before = batch.clone()
    out = CropAndFlip(padding=4)({"image": batch}, torch.Generator().manual_seed(0))["image"]
    assert torch.equal(batch, before)
    assert len({row.numpy().tobytes() for row in out}) > 20


def test_normalize_known_values():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    out = Normalize(mean=(0.5,), std=(0.25,))({"image": pixels})["image"]
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == [-2.0, 2.0]


def test_enlarge_scales_and_centres():
    pixels = torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)
    out = Enlarge(size=32)({"image": pixels})["image"]
    assert out.shape == (2, 3, 32, 32)
    assert out.unique().tolist() == [1.0]
