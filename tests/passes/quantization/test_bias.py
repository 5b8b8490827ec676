from __future__ import annotations

import pytest
import torch

from burnish.model.fake_quant import Scheme
from burnish.passes.quantization import bias, nodes
from burnish.passes.quantization.bias import calibrated, output_error
from tests import tiny


def samples() -> list[dict[str, torch.Tensor]]:
    inputs = tiny.workload().train.batch(list(range(16))).inputs
    return [{name: tensor[i : i + 1] for name, tensor in inputs.items()} for i in range(16)]


def test_unset_both_are_tried_and_the_nearer_one_stays() -> None:
    module = tiny.trained().module
    found, scheme, errors = calibrated(module, samples(), Scheme())
    assert set(errors) == {"corrected", "plain"}
    assert output_error(found, module, samples()) == pytest.approx(min(errors.values()), abs=1e-6)
    assert scheme.bias_correction is (errors["corrected"] <= errors["plain"])


@pytest.mark.parametrize("worse", [True, False])
def test_a_correction_that_harms_is_left_out(worse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is made worse here has a shifted answer."""
    real = nodes.insert

    def insert(module: torch.nn.Module, rows: object, scheme: Scheme, keep: object) -> torch.nn.Module:
        made = real(module, rows, scheme, keep)  # type: ignore[arg-type]
        if scheme.bias_correction is worse:
            with torch.no_grad():
                made.head.bias += 1.0
        return made

    monkeypatch.setattr(bias.nodes, "insert", insert)
    _, scheme, errors = calibrated(tiny.trained().module, samples(), Scheme())
    assert scheme.bias_correction is not worse
    assert abs(errors["corrected"] - errors["plain"]) > 0.01


@pytest.mark.parametrize("told", [True, False])
def test_a_scheme_that_says_so_is_taken_as_it_is(told: bool) -> None:
    _, scheme, errors = calibrated(tiny.trained().module, samples(), Scheme(bias_correction=told))
    assert scheme.bias_correction is told
    assert errors == {}


def test_the_error_of_outputs_is_relative() -> None:
    module = tiny.trained().module
    assert output_error(module, module, samples()) == 0.0
    shifted = tiny.trained().module
    with torch.no_grad():
        shifted.head.weight *= 1.1
        shifted.head.bias *= 1.1
    assert output_error(shifted, module, samples()) == pytest.approx(0.01, rel=1e-3)
