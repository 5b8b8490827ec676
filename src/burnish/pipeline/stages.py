"""One pass at a time: run it or take it from the cache, measure around it, keep it or roll it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.core.errors import BurnishError, GateFailed, NoEffect, TrainingFailed, Unsupported
from burnish.core.evidence import Evidence
from burnish.core.measurement import Measurement
from burnish.measure.size import macs, parameters
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.pipeline.cache import VariantCache
from burnish.pipeline.keys import stage_key
from burnish.pipeline.served_form import ServedForm
from burnish.pipeline.spent import Spent
from burnish.pipeline.workbench import Built, Workbench

_GAIN = 1.02
_SMALLER = 1.05
_MUCH_SMALLER = 1.5
"""So much smaller is a gain of its own, even when it is slower: the final comparison shows the price."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands: the variant so far, its key, its validation score."""

    variant: Variant
    key: str
    score: float
    stage: int = 0
    based: bool = False


@dataclass(kw_only=True)
class Stages:
    """Runs passes in order. `fresh` builds the original module; `machine` labels measurements."""

    context: Context
    bench: Workbench
    cache: VariantCache
    fresh: Callable[[], nn.Module]
    machine: str
    spent: Spent = field(default_factory=Spent)

    def run(
        self, index: int, pass_: Pass, name: str, state: State, later: Sequence[Pass] = ()
    ) -> tuple[Evidence, State]:
        """Run one pass on the state; the evidence, and the next state (the same when rolled back).

        The passes that come `later` decide in which form models are timed.
        """
        key = stage_key(state.key, name, pass_, self.context, later)
        form = ServedForm(bench=self.bench, later=later)
        row: dict[str, Any] = {
            "stage": index,
            "pass_name": name,
            "settings": pass_.model_dump(mode="json"),
            "key": key,
            "cached": key in self.cache,
        }
        try:
            outcome, seconds = self._outcome(key, pass_, state, form)
            with self.spent.measuring:
                score = self.context.score(outcome.variant.module)
                after = State(variant=outcome.variant, key=key, score=score, stage=index, based=state.based)
                reason, measured = self._verdict(pass_, state, after)
        except Unsupported as error:
            return Evidence(**row, verdict="unsupported", reason=_reason(error)), state
        except NoEffect as error:
            return Evidence(**row, verdict="no effect", reason=_reason(error)), state
        except GateFailed as error:
            return Evidence(**row, verdict="rolled back", reason=_reason(error)), state
        except TrainingFailed as error:
            if not state.based:
                raise
            return Evidence(**row, verdict="rolled back", reason=_reason(error)), state
        evidence = Evidence(
            **row,
            verdict="rolled back" if reason else "kept",
            reason=reason,
            changes=outcome.changes,
            skipped=outcome.skipped,
            notes=outcome.notes,
            coverage=outcome.coverage,
            seconds=round(seconds, 2),
            measured=measured | self.counted(after),
        )
        return evidence, state if reason else after

    def _outcome(self, key: str, pass_: Pass, state: State, form: ServedForm) -> tuple[Outcome, float]:
        if key in self.cache:
            return self.cache.load(key, self.fresh)
        started = time.perf_counter()
        torch.manual_seed(self.context.seed)
        with self.spent.training:
            context = replace(self.context, scratch=self.cache.scratch(key), cost_served=form.cost)
            outcome = pass_(state.variant, context)
        if form.timed:
            outcome = replace(outcome, notes={**outcome.notes, "timed": form.timed})
        seconds = time.perf_counter() - started
        self.cache.store(key, outcome, seconds)
        return outcome, seconds

    def _verdict(self, pass_: Pass, before: State, after: State) -> tuple[str, dict[str, Measurement]]:
        """Why the pass is rolled back ("" when it is kept), and what was measured."""
        if pass_.trains:
            if before.based and after.score < before.score:
                return f"validation went from {self.shown(before.score):.4f} to {self.shown(after.score):.4f}", {}
            return "", {}
        base = before.score if self.context.base_score is None else self.context.base_score
        floor = base - self.context.max_drop
        if after.score < min(floor, before.score):
            side = "below" if self.shown(1.0) > 0 else "above"
            found, allowed = self.shown(after.score), self.shown(floor)
            return f"validation {found:.4f} is {side} the {allowed:.4f} that the budget allows", {}
        speedup, smaller = self.gain(before.variant, after.variant)
        measured = {"gain": speedup, "smaller": self._plain("smaller", smaller, "x")}
        faster = speedup.value >= _GAIN and speedup.low > 1.0
        if faster or smaller >= _MUCH_SMALLER or (smaller >= _SMALLER and speedup.value > 1 / _SMALLER):
            return "", measured
        return (
            f"no measurable gain: {speedup.value:.2f}x as fast, {smaller:.2f}x smaller than before the pass",
            measured,
        )

    def gain(self, before: Variant, after: Variant) -> tuple[Measurement, float]:
        """Speed ratio of the best choices on the target backend, and ratio of their sizes.

        The speed ratio is the geometric mean over the served shapes, taken round by round.
        """
        olds, news = self.bench.on_target(before), self.bench.on_target(after)
        everything: list[Built] = [*olds, *news]
        logs = []
        seconds = 2.0 * len(everything) * len(self.bench.served)
        for profiles in self.bench.time(everything, self.bench.served, rounds=8, seconds=seconds).values():
            old = min(profiles[: len(olds)], key=lambda profile: profile.p50.value)
            new = min(profiles[len(olds) :], key=lambda profile: profile.p50.value)
            logs.append(np.log(np.array(old.rounds_ms) / np.array(new.rounds_ms)))
        rounds = min(len(row) for row in logs)
        ratios = np.exp(np.mean([row[:rounds] for row in logs], axis=0))
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
        sizes = [min(built.size_bytes for built in group) for group in (olds, news)]
        protocol = (
            f"median over {rounds} interleaved rounds on {news[0].backend.name}, geometric mean of shapes, quartiles"
        )
        gain = Measurement(
            name="gain", value=middle, unit="x", low=low, high=high, n=rounds, protocol=protocol, machine=self.machine
        )
        return gain, sizes[0] / sizes[1]

    def shown(self, score: float) -> float:
        """A score as the metric it comes from: scores are negated where lower is better."""
        return score if self.bench.workload.metric.higher_is_better else -score

    def counted(self, state: State) -> dict[str, Measurement]:
        """Validation score, parameters and, in floating point, multiply-accumulates of one row."""
        variant = state.variant
        counts = {"parameters": parameters(variant.module)}
        if variant.precision == "fp32":
            counts["macs"] = macs(variant.module, one_row(self.context.examples))
        found = {name: self._plain(name, float(value), "") for name, value in counts.items()}
        return found | {"validation": self._plain("validation", self.shown(state.score), "score")}

    def _plain(self, name: str, value: float, unit: str) -> Measurement:
        return Measurement(
            name=name, value=value, unit=unit, low=value, high=value, n=1, protocol="counted", machine=self.machine
        )


def one_row(examples: Any) -> dict[str, torch.Tensor]:
    """The first row of a batch of inputs."""
    return {name: tensor[:1] for name, tensor in examples.items()}


def _reason(error: BurnishError) -> str:
    return "; ".join(part for part in (str(error.what), error.why) if part)
