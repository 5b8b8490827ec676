from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from burnish.core.errors import BadData, GateFailed, RecipeError, Unsupported
from burnish.core.evidence import Coverage, OpCoverage
from burnish.measure.size import parameters
from burnish.model.fake_quant import Scheme
from burnish.model.replay import replay
from burnish.model.variant import Variant
from burnish.passes.distillation.recover import Recover
from burnish.passes.kinds.quantize import Quantize
from burnish.passes.quantization import nodes
from burnish.passes.quantization.sensitivity import worst_first
from burnish.train.settings import FitSettings
from tests import tiny


def quantize(**settings: Any) -> Quantize:
    quick = {"calibration_rows": 16, "max_drop": 1.0, "recover": {"epochs": 0.2}}
    return Quantize.parse(quick | settings)


def scores(*values: float) -> Callable[[nn.Module], float]:
    """A validation score that gives these values, one a call."""
    left: Iterator[float] = iter(values)
    return lambda module: next(left)


def test_calibration_alone_rounds_and_hardly_loses() -> None:
    context = tiny.context()
    outcome = quantize(method="ptq")(tiny.trained(), context)
    assert outcome.variant.precision == "int8"
    assert [record.kind for record in outcome.variant.records] == ["fake-quantize"]
    assert outcome.notes["ptq score"] == pytest.approx(context.score(outcome.variant.module), abs=1e-5)
    assert outcome.notes["ptq score"] >= 0.97
    assert "qat score" not in outcome.notes
    assert parameters(outcome.variant.module) == parameters(tiny.trained().module)
    assert [change.where for change in outcome.changes] == ["features.0", "features.3", "head"]


def test_training_starts_from_calibration_and_says_so() -> None:
    outcome = quantize(method="qat", recover={"epochs": 1})(tiny.trained(), tiny.context())
    assert outcome.notes["kept"] == "qat"
    assert outcome.notes["recovery"]["epochs"] == 1
    assert outcome.notes["recovery"]["teacher"] is True


@pytest.mark.parametrize(("trained", "kept"), [(0.8, "ptq"), (0.95, "qat"), (0.9, "qat")])
def test_best_keeps_the_better_one_and_shows_both_scores(trained: float, kept: str) -> None:
    score = scores(1.0, 0.9, trained, trained)
    asked: list[tuple[nn.Module, nn.Module]] = []

    def difference(one: nn.Module, other: nn.Module) -> dict[str, float]:
        asked.append((one, other))
        return {"value": trained - 0.9, "low": -0.123456, "high": 0.2}

    context = tiny.context(score=score, difference=difference)
    outcome = quantize(method="best", recover={"epochs": 0.2})(tiny.trained(), context)
    assert (outcome.notes["ptq score"], outcome.notes["qat score"]) == (0.9, trained)
    assert outcome.notes["kept"] == kept
    assert outcome.notes["qat less ptq"] == {"value": round(trained - 0.9, 5), "low": -0.12346, "high": 0.2}
    ((one, other),) = asked
    assert (one if kept == "qat" else other) is outcome.variant.module


def test_training_with_the_rounding_takes_small_steps_unless_told_otherwise() -> None:
    base = FitSettings(optimizer="sgd", learning_rate=0.2)
    assert Quantize().trainings(base)[0].learning_rate == pytest.approx(0.01)
    assert Quantize(recover=Recover(learning_rate=0.07)).trainings(base)[0].learning_rate == 0.07
    with pytest.raises(RecipeError, match="AdamW"):
        Quantize(recover=Recover(optimizer="auto")).trainings(base)


def test_those_small_steps_are_what_is_trained() -> None:
    context = replace(tiny.context(), fit=FitSettings(optimizer="sgd", learning_rate=0.2, batch_size=16))
    by_itself, told = (
        quantize(method="qat", recover={"epochs": 1, **rate})(tiny.trained(), context).variant.module.state_dict()
        for rate in ({}, {"learning_rate": 0.01})
    )
    assert all(torch.equal(weight, told[name]) for name, weight in by_itself.items())


@pytest.mark.parametrize(("asked", "told"), [("auto", "fp32: bf16 rounds"), ("bf16", "bf16: asked for")])
def test_the_rounding_is_trained_in_full_precision_unless_told_otherwise(asked: str, told: str) -> None:
    context = replace(tiny.context(), fit=FitSettings(precision=asked, epochs=2, batch_size=16))
    trained, same = (
        quantize(method="qat", recover={"epochs": 2})(tiny.trained(), replace(context, fit=fit))
        for fit in (context.fit, context.fit.model_copy(update={"precision": "fp32"}))
    )
    assert trained.notes["recovery"]["precision"].startswith(told)
    alike = same.variant.module.state_dict()
    equal = all(torch.equal(weight, alike[name]) for name, weight in trained.variant.module.state_dict().items())
    assert equal == (asked == "auto")


def test_noisy_layers_go_back_to_float_until_the_score_holds() -> None:
    score = scores(1.0, 0.5, 0.995)
    outcome = quantize(method="ptq", max_drop=0.01)(tiny.trained(), tiny.context(score=score))
    assert outcome.notes["fallback"] == [{"float layers": 0, "score": 0.5}, {"float layers": 1, "score": 0.995}]
    assert len(outcome.skipped) == 1 and "floating point" in outcome.skipped[0].why
    assert outcome.skipped[0].where not in [change.where for change in outcome.changes]


def test_an_impossible_drop_ends_with_the_best_so_far() -> None:
    score = scores(1.0, 0.5, 0.7, 0.6)
    outcome = quantize(method="ptq", max_drop=0.0, max_float_layers=2)(tiny.trained(), tiny.context(score=score))
    assert outcome.notes["ptq score"] == 0.7
    assert len(outcome.skipped) == 1
    assert [row["float layers"] for row in outcome.notes["fallback"]] == [0, 1, 2]


def test_two_fallbacks_that_do_not_help_are_enough() -> None:
    score = scores(1.0, 0.5, 0.4, 0.45, 0.999)
    outcome = quantize(method="ptq", max_drop=0.0)(tiny.trained(), tiny.context(score=score))
    assert [row["float layers"] for row in outcome.notes["fallback"]] == [0, 1, 2]
    assert (outcome.notes["ptq score"], outcome.skipped) == (0.5, ())


def test_no_layer_goes_back_when_none_may() -> None:
    score = scores(1.0, 0.5)
    outcome = quantize(method="ptq", max_drop=0.0, max_float_layers=0)(tiny.trained(), tiny.context(score=score))
    assert outcome.skipped == ()


def test_what_training_does_not_mend_goes_back_to_float_with_the_trained_weights() -> None:
    score = scores(1.0, 0.99, 0.99, 0.99, 0.999)
    context = tiny.context(score=score)
    outcome = quantize(method="qat", max_drop=0.005, recover={"epochs": 1})(tiny.trained(), context)
    assert outcome.notes["fallback after training"] == [
        {"float layers": 0, "score": 0.99},
        {"float layers": 1, "score": 0.999},
    ]
    assert len(outcome.skipped) == 1
    weights, before = outcome.variant.module.state_dict(), tiny.trained().module.state_dict()
    assert not torch.equal(weights["head.weight"], before["head.weight"])
    again = replay(tiny.trained().module, outcome.variant.records)
    again.module.load_state_dict(weights)
    inputs = context.examples
    assert torch.equal(again.module(**inputs), outcome.variant.module(**inputs))


def test_a_plain_sequential_with_a_part_used_twice_is_rounded_and_comes_back() -> None:
    relu = nn.ReLU()
    module = nn.Sequential(nn.Conv2d(1, 8, 3), relu, nn.Conv2d(8, 8, 3), relu, nn.Flatten(), nn.LazyLinear(10)).eval()
    samples = [{"input": torch.rand(1, 1, 8, 8)} for _ in range(8)]
    module(samples[0]["input"])
    rounded = nodes.insert(module, samples, Scheme(), ())
    again = replay(copy.deepcopy(module), (nodes.record(rounded),)).module
    again.load_state_dict(rounded.state_dict())
    wanted, found, back = (m(samples[0]["input"]) for m in (module, rounded, again))
    assert 0 < (wanted - found).abs().max() < 0.1
    assert torch.equal(found, back)
    assert list(module.state_dict()) == [name for name in rounded.state_dict() if "hooks" not in name]


def covered(precision: str) -> Callable[[Variant], Coverage]:
    ops = (
        OpCoverage(name="first", kind="conv", precision=precision, weight_bytes=900),
        OpCoverage(name="head", kind="linear", precision="int8", weight_bytes=100),
    )
    return lambda variant: Coverage(ops=ops)


def test_too_little_in_int8_is_a_failed_gate_that_names_the_operators() -> None:
    context = tiny.context(inspect=covered("fp32"))
    with pytest.raises(GateFailed, match="only 50% of operators and 10% of bytes run in INT8") as caught:
        quantize(method="ptq", min_coverage=0.3)(tiny.trained(), context)
    assert caught.value.why == "first (fp32)"
    outcome = quantize(method="ptq", min_coverage=0.1)(tiny.trained(), context)
    assert outcome.coverage is not None and outcome.coverage.byte_share == pytest.approx(0.1)


def test_enough_in_int8_is_kept_in_the_outcome() -> None:
    outcome = quantize(method="ptq", min_coverage=1.0)(tiny.trained(), tiny.context(inspect=covered("int8")))
    assert outcome.coverage is not None and outcome.coverage.op_share == 1.0


def test_too_few_rows_for_calibration_say_how_many_there_are() -> None:
    with pytest.raises(BadData, match="160 training rows, 300 wanted") as caught:
        Quantize()(tiny.trained(), tiny.context())
    assert caught.value.where == "quantize.calibration_rows"
    assert "set calibration_rows to 160" in caught.value.help


def test_a_model_without_weights_or_with_nodes_already_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="no weights to round"):
        quantize()(Variant(module=nn.ReLU()), tiny.context())
    with pytest.raises(Unsupported, match="already"):
        quantize()(Variant(module=tiny.trained().module, precision="int8"), tiny.context())


@pytest.mark.parametrize(
    "scheme",
    [
        {"activations": "symmetric"},
        {"calibration": "percentile", "percentile": 99.9},
        {"smooth": False, "bias_correction": False},
    ],
)
def test_every_scheme_keeps_the_model_working(scheme: dict[str, Any]) -> None:
    context = tiny.context()
    outcome = quantize(method="ptq", scheme=scheme)(tiny.trained(), context)
    assert context.score(outcome.variant.module) >= 0.95


def test_the_layer_with_the_most_noise_comes_first() -> None:
    clean, noisy = tiny.trained().module, tiny.trained().module
    with torch.no_grad():
        noisy.head.weight += 0.5 * noisy.head.weight.std() * torch.randn_like(noisy.head.weight)
    order = worst_first(noisy, clean, tiny.context().examples)
    assert order[0][0] == "head" and order[0][1] > 0.01
    assert [ratio for _, ratio in order[1:]] == [0.0, 0.0]
