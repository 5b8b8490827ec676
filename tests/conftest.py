"""Shared pieces: the digits workload, once fitted, and a context for passes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from burnish.core.doors import WORKLOADS
from burnish.measure.quality import predict_module
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.kinds.fit import Fit
from burnish.workloads.workload import Workload

settings.register_profile("burnish", deadline=None)  # no test depends on how fast the machine is
settings.load_profile("burnish")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["BURNISH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Workload:
    return WORKLOADS.get("digits")()


@pytest.fixture(scope="session")
def digits_context(digits: Workload) -> Context:
    def score(module: torch.nn.Module) -> float:
        return digits.metric.compute(predict_module(module, digits.validation), digits.validation.targets)

    return Context(
        signature=digits.signature,
        examples=digits.train.batch(np.arange(4)).inputs,
        train=digits.train,
        loss=digits.loss,
        score=score,
        fit=digits.fit,
    )


@pytest.fixture(scope="session")
def fitted_digits(digits: Workload, digits_context: Context) -> Variant:
    torch.manual_seed(0)
    return Fit(epochs=6)(Variant(module=digits.build()), digits_context).variant


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
