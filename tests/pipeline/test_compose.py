from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from burnish.core.machine import Machine
from burnish.pipeline.compose import compose, kind_of
from burnish.testing import TinyImages, TinySequences, image_inputs, sequence_inputs
from tests import tiny
from tests.passes.models import Attention, TwoInputs


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.LSTM(4, 8, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


class Mixed(Recurrent):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.conv(x.transpose(1, 2)).transpose(1, 2))


def machine(*isa: str) -> Machine:
    return Machine(processor="x", cores=1, memory_bytes=1, isa=isa, system="x", versions={})


@pytest.mark.parametrize(
    ("module", "inputs", "kind"),
    [
        (TinyImages(), image_inputs(2), "convolutional"),
        (Attention(), {"x": torch.randn(2, 5, 16)}, "encoder"),
        (nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), {"src": torch.randn(2, 5, 16)}, "encoder"),
        (TinySequences(), sequence_inputs(2, 5), "encoder"),
        (Recurrent(), {"x": torch.randn(2, 5, 4)}, "recurrent"),
        (Mixed(), {"x": torch.randn(2, 5, 4)}, "mixed"),
        (TwoInputs(), {"a": torch.randn(2, 6), "b": torch.randn(2, 4)}, "dense"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_tracing_finds(module: nn.Module, inputs: dict[str, Tensor], kind: str) -> None:
    assert kind_of(module.eval(), inputs) == kind


def names(work: object, *isa: str, budget: str = "") -> tuple[list[str], str]:
    recipe = compose("tiny", work, TinyImages().eval(), image_inputs(2), budget, machine(*isa))
    recipe.build_passes()
    return [step.name for step in recipe.passes], recipe.budget


def test_a_trained_model_is_not_fitted_and_int8_follows_where_the_processor_has_it() -> None:
    fresh, trained = tiny.workload(), replace(tiny.workload(), trained=True)
    assert names(fresh, "avx2", "avx512_vnni")[0] == ["fit", "prune", "quantize"]
    assert names(trained, "avx2", "avx_vnni")[0] == ["prune", "quantize"]
    assert names(trained, "avx2")[0] == ["prune", "quantize"]
    assert names(trained)[0] == ["prune"]


def test_the_budget_is_taken_over_or_one_point() -> None:
    assert names(tiny.workload(), budget="accuracy>=-3pt")[1] == "accuracy>=-3pt"
    assert names(tiny.workload())[1] == "accuracy>=-1pt"
