from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.doors import CRITERIA
from burnish.core.errors import NoEffect, RecipeError, UnknownName, Unsupported
from burnish.measure.size import macs, parameters
from burnish.model.variant import Variant, predict
from burnish.passes.kinds import prune as kinds
from burnish.passes.kinds.prune import Prune
from burnish.passes.pruning import operate
from burnish.train.norms import recalibrate
from burnish.workloads.resnet import ResNet
from tests import tiny

NO_RECOVERY = {"recover": {"epochs": 0}}


def prune(**settings: Any) -> Prune:
    return Prune.parse(NO_RECOVERY | settings)


def widths(module: nn.Module) -> tuple[int, int]:
    return module.features[0].out_channels, module.features[3].out_channels


def test_a_ratio_in_local_ranking_takes_the_same_share_of_every_layer() -> None:
    outcome = prune(ratio=0.5, ranking="local", criterion="l1")(tiny.trained(), tiny.context())
    assert widths(outcome.variant.module) == (4, 8)
    assert {change.where for change in outcome.changes} == {"features.0", "features.1", "features.3", "head"}
    assert [skip.where for skip in outcome.skipped] == ["head"]


@pytest.mark.parametrize("ranking", ["global", "local", "isomorphic"])
def test_every_ranking_removes_about_the_ratio_that_was_asked_for(ranking: str) -> None:
    outcome = prune(ratio=0.4, ranking=ranking)(tiny.trained(), tiny.context())
    assert 0.25 * 24 <= 24 - sum(widths(outcome.variant.module)) <= 0.55 * 24


@pytest.mark.parametrize("criterion", CRITERIA.names())
def test_every_criterion_can_be_named(criterion: str) -> None:
    outcome = prune(ratio=0.5, criterion=criterion)(tiny.trained(), tiny.context())
    assert sum(widths(outcome.variant.module)) < 24
    assert outcome.notes["criterion"] == criterion


@pytest.mark.parametrize("target", [0.4, 0.7])
def test_a_target_in_parameters_is_kept(target: float) -> None:
    variant = tiny.trained()
    outcome = prune(parameters=target)(variant, tiny.context())
    assert parameters(outcome.variant.module) <= (target + 0.03) * parameters(variant.module)
    assert outcome.notes["parameters kept"] <= target


@pytest.mark.parametrize("steps", [1, 2])
def test_a_target_in_multiply_adds_is_kept_in_one_step_or_several(steps: int) -> None:
    variant, context = tiny.trained(), tiny.context()
    outcome = prune(macs=0.5, steps=steps)(variant, context)
    assert macs(outcome.variant.module, context.examples) <= 0.5 * macs(variant.module, context.examples)
    assert len(outcome.variant.records) == 1


def test_a_latency_target_is_reached_on_what_is_measured() -> None:
    def cost(variants: Sequence[Variant]) -> list[float]:
        return [3.0 + parameters(v.module) / 200 for v in variants]

    variant = tiny.trained()
    outcome = prune(latency=0.75)(variant, tiny.context(cost=cost))
    before, after = cost([variant, outcome.variant])
    assert after <= 0.75 * 1.03 * before
    assert outcome.notes["full_ms"] == pytest.approx(before, abs=1e-3)
    assert outcome.notes["measured_ms"] == pytest.approx(after, abs=1e-3)
    assert set(outcome.notes["saved_ms"]) == {"features.0 (x1)", "features.3 (x1)"}


@pytest.mark.parametrize("joint", [-0.25, 0.5, 1.0, 2.0, 4.0])
def test_a_table_that_is_wrong_either_way_hits_the_target(joint: float) -> None:
    """Cutting both layers saves more, or less, than the sum of what each alone saves."""

    def cost(variants: Sequence[Variant]) -> list[float]:
        full = widths(tiny.trained().module)
        left = [[1 - now / all_ for now, all_ in zip(widths(v.module), full, strict=True)] for v in variants]
        return [3.0 - first - second - joint * first * second for first, second, *_ in left]

    variant = tiny.trained()
    outcome = prune(latency=0.6)(variant, tiny.context(cost=cost))
    before, after = cost([variant, outcome.variant])
    tries = [one["measured_ms"] for one in outcome.notes["tries"]]
    assert outcome.notes["measured_ms"] == pytest.approx(after, abs=1e-3)
    assert 0.9 * 0.6 * before <= after <= 0.6 * 1.03 * before
    assert after == pytest.approx(max(one for one in tries if one <= 0.6 * 1.03 * before), abs=1e-3)
    if joint >= 1:
        assert tries[0] < 0.9 * 0.6 * before, "the first try went too far"


@pytest.mark.parametrize("ranking", ["global", "local"])
def test_several_targets_are_all_kept(ranking: str) -> None:
    """The time here goes with what is left of the first layer alone, the parameters lie in the second."""

    def cost(variants: Sequence[Variant]) -> list[float]:
        return [1.0 + widths(v.module)[0] for v in variants]

    variant, context = tiny.trained(), tiny.context(cost=cost)
    outcome = prune(latency=0.8, parameters=0.4, ranking=ranking)(variant, context)
    before, after = cost([variant, outcome.variant])
    assert after <= 0.8 * 1.03 * before
    assert parameters(outcome.variant.module) <= 0.4 * parameters(variant.module)
    assert outcome.notes["parameters kept"] <= 0.4
    alone = prune(latency=0.8, ranking=ranking)(variant, context)
    assert parameters(alone.variant.module) > parameters(outcome.variant.module)
    assert "keep 40% of parameters and 80% of latency" in prune(latency=0.8, parameters=0.4).forecast()


@pytest.mark.parametrize(
    ("drop", "own", "wanted"),
    [
        (0.6, {}, [0.5]),
        (0.4, {}, [0.5, 0.7071]),
        (0.05, {}, [0.5, 0.7071, 0.8409]),
        (0.6, {"max_drop": 0.4}, [0.5, 0.7071]),
    ],
)
def test_a_cut_that_loses_too_much_is_tried_again_gentler(
    drop: float, own: dict[str, float], wanted: list[float]
) -> None:
    """The score here is the share of parameters left; times are measured for one table only."""
    variant = tiny.trained()
    full = parameters(variant.module)
    tables = []

    def cost(variants: Sequence[Variant]) -> list[float]:
        tables.extend([len(variants)] if len(variants) > 2 else [])
        return [parameters(v.module) / full for v in variants]

    context = tiny.context(
        cost=cost, score=lambda module: parameters(module) / full, base_score=1.0, max_drop=drop, measured_on="here"
    )
    outcome = prune(latency=0.5, retreat=2, round_to=1, **own)(variant, context)
    left = parameters(outcome.variant.module) / full
    assert left <= wanted[-1] * 1.06  # three tries to hit a measured target
    assert left > 0.9 * wanted[-1]
    assert [row["latency wanted"] for row in outcome.notes.get("retreats", [])] == (wanted if len(wanted) > 1 else [])
    assert len(tables) == 1
    assert prune(macs=0.5, retreat=1).measures and not prune(macs=0.5).measures


def test_a_target_that_no_widths_reach_is_left_for_gentler_ones() -> None:
    """Half of the time is never reached, so the first cut is the deepest; the second is half as deep as that one."""
    variant = tiny.trained()
    full = parameters(variant.module)
    context = tiny.context(
        cost=lambda variants: [0.8 + 0.2 * parameters(v.module) / full for v in variants],
        score=lambda module: parameters(module) / full, base_score=1.0, max_drop=0.6,
    )  # fmt: skip
    deepest = prune(latency=0.5, round_to=1)(variant, context)
    outcome = prune(latency=0.5, retreat=1, round_to=1)(variant, context)
    first, second = outcome.notes["retreats"]
    assert first["latency wanted"] == 0.5
    assert 0.89 < second["latency wanted"] < 0.93
    assert first["score"] == pytest.approx(parameters(deepest.variant.module) / full, abs=1e-4)
    assert second["score"] > first["score"] + 0.2


def test_a_gentler_cut_that_is_the_same_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of 8 channels only one of the two layers can lose any, and only half."""
    trained = []
    monkeypatch.setattr(kinds, "recover", lambda variant, *rest, **named: trained.append(named["label"]) or {})
    context = tiny.context(score=lambda module: float(widths(module)[1]), base_score=16.0, max_drop=1.0)
    outcome = Prune.parse({"parameters": 0.6, "retreat": 2, "round_to": 8})(tiny.trained(), context)
    assert widths(outcome.variant.module) == (8, 8)
    assert trained == ["recover 1/1"]
    assert "retreats" not in outcome.notes


def test_a_latency_target_without_a_backend_says_so_before_any_work() -> None:
    with pytest.raises(RecipeError, match="needs a backend") as caught:
        prune(latency=0.5)(tiny.trained(), tiny.context())
    assert caught.value.where == "prune.latency"


def test_widths_are_rounded_to_what_was_asked_for() -> None:
    outcome = prune(ratio=0.4, round_to=8, ranking="local")(tiny.trained(), tiny.context())
    assert widths(outcome.variant.module) == (8, 8)


def test_no_group_loses_more_than_the_most_that_is_allowed() -> None:
    outcome = prune(parameters=0.05, max_ratio=0.5)(tiny.trained(), tiny.context())
    assert widths(outcome.variant.module) == (4, 8)


def test_ignored_layers_keep_their_width() -> None:
    outcome = prune(ratio=0.5, ignore=["features.0"])(tiny.trained(), tiny.context())
    first, second = widths(outcome.variant.module)
    assert first == 8 and second < 16
    assert ("features.0", "named in `ignore`") in [(skip.where, skip.why) for skip in outcome.skipped]


def test_channels_that_run_through_additions_can_be_left_alone() -> None:
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    split = replace(tiny.rows(64, 0), inputs={"image": generator.standard_normal((64, 1, 8, 8)).astype(np.float32)})
    context = tiny.context(train=split, examples=split.batch(np.arange(4)).inputs, score=lambda module: 1.0)
    variant = Variant(module=ResNet(channels=1, classes=5, widths=(8, 16), blocks=2).eval())
    outcome = prune(ratio=0.5, streams=False, ranking="local", criterion="l2")(variant, context)
    cut = {change.where for change in outcome.changes}
    kept = [skip.where for skip in outcome.skipped if "additions" in skip.why]
    assert kept and not cut & set(kept)
    whole = prune(ratio=0.5, streams=True, ranking="local", criterion="l2")(variant, context)
    assert parameters(whole.variant.module) < parameters(outcome.variant.module) < parameters(variant.module)


def test_cutting_channels_that_are_exactly_zero_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    variant, context = tiny.trained(), tiny.context()
    whole = [context.train.batch(np.arange(len(context.train)))]
    with torch.no_grad():
        for part in (variant.module.features[0], variant.module.features[1]):
            part.weight[::2] = 0
            part.bias[::2] = 0
        variant.module.features[3].weight[::2] = 0
        variant.module.features[3].bias[::2] = 0
    norm = variant.module.features[1]
    recalibrate(variant.module, whole)
    monkeypatch.setattr(operate, "recalibrate", lambda module, batches: recalibrate(module, whole))
    outcome = prune(ratio=0.5, ranking="local", criterion="l1")(variant, context)
    assert widths(outcome.variant.module) == (4, 8)
    torch.testing.assert_close(outcome.variant.module.features[1].running_mean, norm.running_mean[1::2])
    found, wanted = (predict(v.module, context.examples)[0] for v in (outcome.variant, variant))
    torch.testing.assert_close(found, wanted)


def test_recovery_trains_what_was_cut_with_the_teacher() -> None:
    settings = Prune.parse({"ratio": 0.6, "recover": {"epochs": 2}})
    outcome = settings(tiny.trained(), tiny.context())
    assert outcome.notes["recovery"]["epochs"] == 2
    assert outcome.notes["recovery"]["teacher"] is True
    assert tiny.context().score(outcome.variant.module) >= outcome.notes["score before recovery"]


def test_nothing_removed_is_no_effect_and_nothing_is_trained() -> None:
    with pytest.raises(NoEffect, match="no channel") as caught:
        Prune.parse({"ratio": 0.5, "round_to": 64, "recover": {"epochs": 1e6}})(tiny.trained(), tiny.context())
    assert "round_to" in caught.value.help


def test_a_model_with_fake_quantize_nodes_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="without fake-quantize") as caught:
        prune(ratio=0.5)(replace(tiny.trained(), precision="int8"), tiny.context())
    assert caught.value.help == "put prune before quantize"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "give ratio, or one or more of parameters, macs, latency .given: none."),
        ({"ratio": 0.5, "macs": 0.5}, "given: ratio, macs"),
        ({"ratio": 1.5}, "ratio: .*less than 1"),
        ({"ratio": 0}, "ratio: .*greater than 0"),
        ({"ratio": 0.5, "ranking": "locl"}, "ranking: .*'local'"),
    ],
)
def test_impossible_settings_are_one_clear_error(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(RecipeError, match=text) as caught:
        Prune.parse(settings, where="passes.1 (prune)")
    assert caught.value.where == "passes.1 (prune)"
    assert caught.value.help


def test_a_limit_for_retreats_without_any_says_what_to_set() -> None:
    with pytest.raises(RecipeError, match="max_drop says when to retreat") as caught:
        Prune.parse({"ratio": 0.5, "max_drop": 0.01}, where="passes.1 (prune)")
    assert caught.value.where == "passes.1 (prune): max_drop"
    assert caught.value.help == "set `retreat` to 1 or more"


def test_an_unknown_criterion_names_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match="unknown criterion 'tailor'") as caught:
        Prune.parse({"ratio": 0.5, "criterion": "tailor"})
    assert caught.value.help == "did you mean 'taylor'?"


def test_a_criterion_that_can_score_nothing_is_unsupported() -> None:
    split = tiny.rows(32, 0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(432, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    split = replace(split, inputs={"input": split.inputs["image"]})
    context = tiny.context(train=split, examples=split.batch(np.arange(4)).inputs)
    with pytest.raises(Unsupported, match="can score no group"):
        prune(ratio=0.5, criterion="bn-scale")(Variant(module=plain), context)


def test_the_forecast_says_what_is_going_to_happen() -> None:
    assert prune(ratio=0.25, criterion="l1").forecast() == "remove 25% of channels by l1, global ranking; no recovery"
    text = Prune.parse({"macs": 0.4}).forecast()
    assert text == "keep 40% of macs by taylor, global ranking; recover 3 epochs with the teacher"
