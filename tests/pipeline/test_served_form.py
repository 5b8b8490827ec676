"""In which form a cut is timed: as it is, or as later passes leave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from burnish.core.errors import Unsupported
from burnish.core.measurement import Ratio
from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.pipeline.choice import Choice
from burnish.pipeline.keys import stage_key
from burnish.pipeline.recipe import Compile
from burnish.pipeline.served_form import ServedForm
from burnish.pipeline.workbench import Workbench
from tests import tiny
from tests.pipeline.fake import profile


class Rounds(Pass):
    """Marks a variant as INT8."""

    fails: bool = False

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        raise NotImplementedError

    @property
    def previewed(self) -> str:
        return "rounds"

    def preview(self, variant: Variant, examples: Mapping[str, Tensor]) -> Variant:
        if self.fails:
            raise Unsupported("no such operator")
        return replace(variant, precision="int8")


def form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, later: Sequence[Pass], speed: float
) -> tuple[ServedForm, list[list[str]]]:
    """A form whose bench finds the later passes that much faster, and the precisions of what it was asked to time."""
    bench = Workbench(
        workload=tiny.workload(), choice=Choice(compile=Compile()), served=(Served(batch=1),), threads=1,
        folder=tmp_path, progress=Silent(), examples={},
    )  # fmt: skip
    timed: list[list[str]] = []

    def cost(variants: Sequence[Variant]) -> list[float]:
        timed.append([variant.precision for variant in variants])
        return [1.0] * len(variants)

    def against_first(built: Sequence[Any], *rest: Any, **named: Any) -> dict[str, list[Any]]:
        assert [item.precision for item in built] == ["fp32", "int8"]
        ratios = [Ratio(baseline="as it is", value=value, low=value, high=value) for value in (1.0, speed)]
        return {"batch 1": [(profile("", 1.0), ratio) for ratio in ratios]}

    monkeypatch.setattr(bench, "cost", cost)
    monkeypatch.setattr(bench, "on_target", lambda variant: [variant])
    monkeypatch.setattr(bench, "against_first", against_first)
    return ServedForm(bench=bench, later=later), timed


@pytest.mark.parametrize(
    ("later", "speed", "precision", "said"),
    [
        ([], 2.0, "fp32", "as the pass leaves it"),
        ([Rounds()], 1.5, "int8", "with the later passes, which make the whole model 1.50x as fast"),
        ([Rounds()], 0.9, "fp32", "without the later passes, which make the whole model 0.90x as fast"),
        ([Rounds(fails=True)], 1.5, "fp32", "without the later passes: no such operator"),
    ],
)
def test_models_are_timed_as_later_passes_leave_them_where_that_is_faster(
    later: list[Pass], speed: float, precision: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served, timed = form(monkeypatch, tmp_path, later, speed)
    variant = tiny.trained()
    assert not served.timed
    served.cost([variant, variant])
    served.cost([variant])
    assert timed == [[precision, precision], [precision]]
    assert served.timed == said


def test_a_cut_takes_the_form_that_its_setting_names() -> None:
    def plain(variants: Sequence[Variant]) -> list[float]:
        return [10.0 - index for index, _ in enumerate(variants)]

    def served(variants: Sequence[Variant]) -> list[float]:
        return [100.0 - index for index, _ in enumerate(variants)]

    context = tiny.context(cost=plain, cost_served=served)
    settings = {"latency": 0.99, "criterion": "l1", "recover": {"epochs": 0}}
    for timed, full in (("served", 100.0), ("float", 10.0)):
        outcome = Prune.parse({**settings, "timed": timed})(tiny.trained(), context)
        assert outcome.notes["full_ms"] == full


def test_the_key_of_a_timed_cut_holds_the_form_of_later_passes() -> None:
    context = tiny.context()
    timed, counted = Prune.parse({"latency": 0.5}), Prune.parse({"macs": 0.5})
    ways = [[], [Quantize()], [Quantize.parse({"scheme": {"smooth": False}})], [Quantize(method="ptq")]]
    keys = [stage_key("parent", "prune", timed, context, later) for later in ways]
    assert len(set(keys)) == 3 and keys[1] == keys[3]
    assert len({stage_key("parent", "prune", counted, context, later) for later in ways}) == 1
