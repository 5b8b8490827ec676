"""Which backends are tried after the first look at the base model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from burnish.backends.kinds import onnxruntime, openvino
from burnish.core.errors import BurnishError, Unsupported
from burnish.core.progress import Silent
from burnish.model.variant import Variant
from burnish.pipeline.choice import Choice
from burnish.pipeline.recipe import Compile
from burnish.pipeline.screen import Screening, screen
from burnish.pipeline.workbench import Built, Workbench
from burnish.testing import TinyImages
from tests import tiny
from tests.pipeline.fake import fake_times

SPEED = {"eager": 9.0, "onnxruntime": 2.0, "openvino": 1.0, "inductor": 4.0}


def bench(folder: Path, **compile: Any) -> Workbench:
    work = tiny.workload()
    return Workbench(
        workload=work,
        choice=Choice(compile=Compile(**compile)),
        served=work.served,
        threads=1,
        folder=folder,
        progress=Silent(),
        examples={"image": torch.randn(2, 3, 12, 12)},
    )


def test_backends_far_behind_the_fastest_are_dropped_with_the_reason() -> None:
    found = Screening(ms=dict(SPEED))
    assert found.useful() == ("openvino", "onnxruntime")
    assert found.dropped(found.useful(), "eager") == {"inductor": "4.0 times slower than the fastest in a short timing"}
    assert found.dropped(tuple(SPEED), "eager") == {}


def test_a_backend_that_fails_when_it_runs_drops_out_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ms(built: Built) -> float:
        if built.backend.name == "openvino":
            raise BurnishError("it cannot", why="it never could")
        return SPEED[built.backend.name]

    fake_times(monkeypatch, ms)
    found = screen(bench(tmp_path, backends=("eager", "openvino", "onnxruntime")), tiny_variant())
    assert found.failed == {"openvino": "it cannot; it never could"}
    assert found.useful() == ("onnxruntime",)


def test_a_pass_is_measured_on_the_next_backend_when_the_target_cannot_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise Unsupported("not this one")

    monkeypatch.setattr(openvino.OpenVINO, "build", refuse)
    work = bench(tmp_path)
    assert {built.backend.name for built in work.on_target(tiny_variant())} == {"onnxruntime"}
    monkeypatch.setattr(onnxruntime.ONNXRuntime, "build", refuse)
    with pytest.raises(Unsupported, match="no backend here can run this model in int8"):
        work.on_target(Variant(module=TinyImages(), precision="int8"))


def test_a_model_that_nothing_runs_is_refused_with_every_reason(tmp_path: Path) -> None:
    class Words(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.tensor([len(str(value)) for value in image.sum((1, 2, 3)).tolist()])

    with pytest.raises(Unsupported, match="no backend here can run this model") as caught:
        screen(bench(tmp_path, backends=("eager",)), Variant(module=Words()))
    assert "eager" in caught.value.why


def tiny_variant() -> Variant:
    return Variant(module=TinyImages().eval())
