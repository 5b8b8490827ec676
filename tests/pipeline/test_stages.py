"""What is kept and what is rolled back, with times that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from burnish.core.doors import METRICS
from burnish.core.errors import GateFailed, NoEffect, TrainingFailed, Unsupported
from burnish.core.evidence import Change, Evidence
from burnish.core.measurement import LatencyProfile
from burnish.core.progress import Silent
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.pipeline.cache import VariantCache
from burnish.pipeline.choice import Choice
from burnish.pipeline.stages import Stages, State
from burnish.pipeline.workbench import Built, Workbench
from burnish.testing import TinyImages
from tests import tiny
from tests.pipeline.fake import profile, recipe


class Nudge(Pass):
    """Moves the weights a little."""

    error: str = ""

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        errors: dict[str, Exception] = {
            "unsupported": Unsupported("it lacks a thing", why="it never had it"),
            "no effect": NoEffect("nothing changed"),
            "gate": GateFailed("too little"),
            "failed": TrainingFailed("the loss is nan"),
        }
        if self.error:
            raise errors[self.error]
        work = variant.copy()
        with torch.no_grad():
            work.module.head.bias += 1e-4
        return Outcome(variant=work, changes=(Change(where="head", what="nudged"),))


class Training(Nudge):
    """The same, for quality."""

    trains = True


def times(monkeypatch: pytest.MonkeyPatch, before: Sequence[float], after: Sequence[float]) -> None:
    """Rounds of the model before the pass, and of the one after it."""

    def time(self: Workbench, built: Sequence[Built], *args: Any, **named: Any) -> dict[str, list[LatencyProfile]]:
        half = len(built) // 2
        rows = [before] * half + [after] * half
        made = [profile("x", sorted(row)[len(row) // 2]) for row in rows]
        timed = [p.model_copy(update={"rounds_ms": tuple(row)}) for p, row in zip(made, rows, strict=True)]
        return {"batch 1": timed}

    monkeypatch.setattr(Workbench, "time", time)


def sizes(monkeypatch: pytest.MonkeyPatch, before: int, after: int) -> None:
    values = iter([before, after])
    monkeypatch.setattr("burnish.pipeline.workbench.folder_bytes", lambda folder: next(values))


class Bench:
    """Runs one pass with a made-up validation score after it."""

    def __init__(self, folder: Path) -> None:
        work = tiny.workload()
        self.context = tiny.context(base_score=0.95, max_drop=0.01)
        bench = Workbench(
            workload=work,
            choice=Choice(compile=recipe().compile),
            served=work.served,
            threads=1,
            folder=folder / "scratch",
            progress=Silent(),
            examples=self.context.examples,
        )
        self.stages = Stages(
            context=self.context, bench=bench, cache=VariantCache(folder), fresh=TinyImages, machine="none"
        )
        self.start = State(variant=tiny.trained(), key="start", score=0.95, based=True)

    def run(self, pass_: Pass, score: float, start: State | None = None) -> tuple[Evidence, State]:
        self.stages.context = replace(self.stages.context, score=lambda module: score)
        return self.stages.run(1, pass_, "nudge", start or self.start)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_clear_gain_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, [2.0] * 8, [1.0] * 8)
    row, state = bench.run(Nudge(), 0.945)
    assert (row.verdict, row.reason) == ("kept", "")
    assert row.measured["gain"].value == pytest.approx(2.0)
    assert state.score == 0.945 and state.stage == 1 and state.key == row.key
    assert row.measured["parameters"].value > 0


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([1.0] * 8, "rolled back"),
        ([0.99] * 8, "rolled back"),
        ([0.5, 1.6, 0.5, 1.6, 0.5, 1.6, 0.9, 0.9], "rolled back"),
        ([0.9] * 8, "kept"),
    ],
)
def test_a_gain_within_the_noise_is_no_gain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: list[float], verdict: str
) -> None:
    times(monkeypatch, [1.0] * 8, after)
    sizes(monkeypatch, 1000, 1000)
    row, state = bench.run(Nudge(), 0.95)
    assert row.verdict == verdict
    if verdict == "rolled back":
        assert row.reason.startswith("no measurable gain")
        assert state is bench.start


@pytest.mark.parametrize(
    ("after_ms", "after_bytes", "verdict"),
    [(1.0, 900, "kept"), (1.0, 990, "rolled back"), (1.5, 800, "rolled back"), (1.5, 500, "kept")],
)
def test_a_smaller_model_is_kept_unless_it_is_slower_and_a_much_smaller_one_always(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after_ms: float, after_bytes: int, verdict: str
) -> None:
    times(monkeypatch, [1.0] * 8, [after_ms] * 8)
    sizes(monkeypatch, 1000, after_bytes)
    assert bench.run(Nudge(), 0.95)[0].verdict == verdict


def test_a_broken_quality_gate_is_rolled_back_without_measuring(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def time(*args: Any, **named: Any) -> list[LatencyProfile]:
        raise AssertionError("nothing needs to be measured")

    monkeypatch.setattr(Workbench, "time", time)
    row, state = bench.run(Nudge(), 0.93)
    assert row.verdict == "rolled back"
    assert row.reason == "validation 0.9300 is below the 0.9400 that the budget allows"
    assert state is bench.start


def test_a_metric_that_should_be_low_is_told_as_it_is(bench: Bench) -> None:
    bench.stages.bench.workload = replace(bench.stages.bench.workload, metric=METRICS.get("mse"))
    bench.stages.context = replace(bench.context, base_score=-0.30, max_drop=0.01)
    row, _ = bench.run(Nudge(), -0.35, replace(bench.start, score=-0.30))
    assert row.reason == "validation 0.3500 is above the 0.3100 that the budget allows"
    assert row.measured["validation"].value == 0.35


def test_a_start_below_the_budget_may_not_get_worse_but_may_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, [2.0] * 8, [1.0] * 8)
    low = replace(bench.start, score=0.90)
    assert bench.run(Nudge(), 0.90, low)[0].verdict == "kept"
    low = replace(low, key="again")
    assert bench.run(Nudge(), 0.89, low)[0].verdict == "rolled back"


def test_training_is_kept_when_it_does_not_make_it_worse(bench: Bench) -> None:
    assert bench.run(Training(), 0.95)[0].verdict == "kept"
    row, state = bench.run(Training(), 0.94)
    assert (row.verdict, row.reason) == ("rolled back", "validation went from 0.9500 to 0.9400")
    assert state is bench.start
    assert bench.run(Training(), 0.1, replace(bench.start, based=False))[0].verdict == "kept"


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        ("unsupported", "unsupported", "it lacks a thing; it never had it"),
        ("no effect", "no effect", "nothing changed"),
        ("gate", "rolled back", "too little"),
        ("failed", "rolled back", "the loss is nan"),
    ],
)
def test_a_pass_that_cannot_is_told_and_the_run_goes_on(bench: Bench, error: str, verdict: str, reason: str) -> None:
    row, state = bench.run(Nudge(error=error), 0.95)
    assert (row.verdict, row.reason) == (verdict, reason)
    assert state is bench.start
    assert not row.cached and row.key not in bench.stages.cache


def test_training_that_fails_before_there_is_a_base_ends_the_run(bench: Bench) -> None:
    with pytest.raises(TrainingFailed):
        bench.run(Training(error="failed"), 0.95, replace(bench.start, based=False))


def test_the_second_time_the_cache_answers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, [2.0] * 8, [1.0] * 8)
    first, state = bench.run(Nudge(), 0.95)
    called: list[int] = []
    monkeypatch.setattr(Nudge, "__call__", lambda *args: called.append(1))
    second, again = bench.run(Nudge(), 0.95)
    assert (first.cached, second.cached) == (False, True)
    assert not called
    assert second.changes == first.changes and second.seconds == first.seconds
    assert torch.equal(again.variant.module.head.bias, state.variant.module.head.bias)


def test_a_model_that_the_target_cannot_run_is_unsupported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Workbench, *args: Any) -> Built:
        raise Unsupported("cannot trace this model", where="head (Linear), model.py:7")

    monkeypatch.setattr(Workbench, "build", build)
    row, _ = bench.run(Nudge(), 0.95)
    assert row.verdict == "unsupported"
    assert "head (Linear), model.py:7" in row.reason
