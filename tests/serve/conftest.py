"""A real artifact, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.pipeline.recipe import Compile
from tests.pipeline.fake import FIT, a_run, by_size, fake_times


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image classifier on ONNX Runtime: input `image` [N, 3, 12, 12], output `scores` [N, 5]."""
    return make(tmp_path_factory, "onnxruntime none")


@pytest.fixture(scope="session")
def dynamic_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, quantized while it runs: activation ranges are those of the whole batch."""
    return make(tmp_path_factory, "onnxruntime dynamic")


def make(tmp_path_factory: pytest.TempPathFactory, fastest: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BURNISH_CACHE", str(tmp_path_factory.mktemp("cache")))
        fake_times(patch, lambda built: by_size(built) * (0.01 if built.label == fastest else 1.0))
        recipe = Compile(backends=("eager", "onnxruntime"), target="onnxruntime", tolerance=0.05)
        return a_run(tmp_path_factory.mktemp("run"), FIT, compile=recipe, budget="accuracy>=-30pt").execute().artifact


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((16, 3, 12, 12)).astype(np.float32)


@pytest.fixture(scope="session")
def scores(artifact: Path, images: np.ndarray) -> np.ndarray:
    with burnish.load(artifact) as model:
        found = model(images)
    assert isinstance(found, np.ndarray)
    return found
