from __future__ import annotations

import pytest
import torch

from burnish.model.fake_quant import Scheme
from burnish.passes.quantization import nodes
from burnish.passes.quantization.calibrate import calibrated, output_error
from burnish.train.norms import recalibrate
from tests import tiny


def samples() -> list[dict[str, torch.Tensor]]:
    inputs = tiny.workload().train.batch(list(range(16))).inputs
    return [{name: tensor[i : i + 1] for name, tensor in inputs.items()} for i in range(16)]


def settle(module: torch.nn.Module) -> None:
    recalibrate(module, tiny.workload().train.in_order(40))


def untouched(module: torch.nn.Module) -> None:
    raise AssertionError("nothing to measure anew")


def test_unset_all_ways_are_tried_and_the_nearest_one_stays() -> None:
    module = tiny.trained().module
    found, again, errors = calibrated(module, samples(), Scheme(), settle)
    assert set(errors) == {"corrected", "plain", "statistics"}
    assert output_error(found, module, samples()) == pytest.approx(min(errors.values()), abs=1e-6)
    assert output_error(again(()), module, samples()) == pytest.approx(min(errors.values()), abs=1e-6)


def test_without_batch_norm_there_are_no_statistics() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 5)).eval()
    _, _, errors = calibrated(module, [{"input": rows["image"]} for rows in samples()], Scheme(), untouched)
    assert set(errors) == {"corrected", "plain"}


@pytest.mark.parametrize("best", ["corrected", "plain", "statistics"])
def test_the_way_that_comes_nearest_is_also_taken_for_fewer_layers(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have a shifted answer here; with statistics anew, the shift is taken back."""
    real = nodes.insert

    def shifted(module: torch.nn.Module, by: float) -> torch.nn.Module:
        with torch.no_grad():
            module.head.bias += by
        return module

    def insert(module: torch.nn.Module, rows: object, scheme: Scheme, keep: object) -> torch.nn.Module:
        here = "corrected" if scheme.bias_correction else "plain"
        return shifted(real(module, rows, scheme, keep), 0.0 if here == best else 1.0)  # type: ignore[arg-type]

    monkeypatch.setattr(nodes, "insert", insert)
    module = tiny.trained().module

    def settle_or_spoil(made: torch.nn.Module) -> None:
        shifted(made, -1.0 if best == "statistics" else 1.0)

    _, again, errors = calibrated(module, samples(), Scheme(), settle_or_spoil)
    assert min(errors, key=lambda name: errors[name]) == best
    assert output_error(again(("features.0",)), module, samples()) == pytest.approx(errors[best], abs=0.01)
    assert sorted(errors.values())[1] > errors[best] + 0.01


@pytest.mark.parametrize("told", [True, False])
def test_a_scheme_that_says_so_is_taken_as_it_is(told: bool) -> None:
    module = tiny.trained().module
    found, again, errors = calibrated(module, samples(), Scheme(bias_correction=told), untouched)
    assert errors == {}
    same = nodes.insert(module, samples(), Scheme(bias_correction=told), ())
    for made in (found, again(())):
        assert output_error(made, same, samples()) == 0.0


def test_the_error_of_outputs_is_relative() -> None:
    module = tiny.trained().module
    assert output_error(module, module, samples()) == 0.0
    shifted = tiny.trained().module
    with torch.no_grad():
        shifted.head.weight *= 1.1
        shifted.head.bias *= 1.1
    assert output_error(shifted, module, samples()) == pytest.approx(0.01, rel=1e-3)
