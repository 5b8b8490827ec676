"""The final comparison: every surviving stage on every useful backend, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.core.budget import Budget
from burnish.core.errors import Unsupported
from burnish.core.evidence import Point
from burnish.core.machine import fingerprint
from burnish.measure.profiles import samples_per_second
from burnish.measure.quality import paired, quality
from burnish.measure.size import macs, parameters
from burnish.model.variant import Variant
from burnish.pipeline.answers import Answers
from burnish.pipeline.finalist import MUCH, Finalist, build_finalists, much_faster
from burnish.pipeline.recipe import Compile
from burnish.pipeline.stages import one_row
from burnish.pipeline.workbench import Built, Workbench

_BATCHES = (1, 8, 32)
_DISTURBED = 0.2  # cores


@dataclass(kw_only=True)
class Finals:
    """Builds, times, checks and scores the finalists. `survivors`: (stage, name, variant), base first.

    `failed`: candidate -> why it is not among the points.
    """

    bench: Workbench
    compile: Compile
    budget: Budget
    survivors: Sequence[tuple[int, str, Variant]]
    machine: str
    failed: dict[str, str] = field(default_factory=dict, init=False)

    def run(self) -> tuple[list[Finalist], list[Point]]:
        """All finalists with their points; the base on the reference backend comes first."""
        finalists, self.failed = build_finalists(self.bench, self.survivors)
        finalists = self._timed(finalists)
        self._ask(finalists)
        self.failed |= {f.label: f.reason for f in finalists if f.on_validation is None}
        finalists = self._with_base([finalist for finalist in finalists if finalist.on_validation is not None])
        return finalists, [self._point(finalist, finalists[0].built) for finalist in finalists]

    def score_test(self, finalists: Sequence[Finalist], points: Sequence[Point]) -> list[Point]:
        """Look at the answers to the test rows, once: their metric, and its paired difference to the base."""
        metric, targets = self.bench.workload.metric, self.bench.workload.test.targets
        base = next((finalist.on_test for finalist in finalists if finalist.on_test is not None), None)
        scored = []
        for finalist, point in zip(finalists, points, strict=True):
            found = finalist.on_test
            if found is not None and base is not None:
                test = quality(metric, found, targets, self.machine)
                delta = paired(metric, found, base, targets, self.machine)
                point = point.model_copy(update={"test": test, "test_delta": delta})
            scored.append(point)
        return scored

    def throughput(self, finalists: Sequence[Finalist], points: Sequence[Point]) -> list[Point]:
        """Samples per second by batch size, for the base and the chosen point, side by side."""
        pair = [0, *(i for i, point in enumerate(points) if point.chosen and i)]
        result = list(points)
        first = self.bench.served[0]
        for batch in _BATCHES:
            served = first.model_copy(update={"batch": batch})
            if served in self.bench.served:
                profiles = [finalists[i].latency[served.label] for i in pair]
            else:
                built = [finalists[i].built for i in pair]
                profiles = self.bench.time(built, [served], rounds=6, seconds=6.0)[served.label]
            for i, profile in zip(pair, profiles, strict=True):
                rates = {**result[i].throughput, str(batch): samples_per_second(profile, batch)}
                result[i] = result[i].model_copy(update={"throughput": rates})
        return result

    def disturbed(self, finalists: Sequence[Finalist]) -> list[str]:
        """One line per served shape whose timing other programs disturbed: they took more than was free."""
        cores = fingerprint().cores
        spare = max(0, cores - self.bench.threads) + _DISTURBED
        taken = {shape: profile.other_cores for shape, profile in finalists[0].latency.items()}
        return [
            f"other programs took {other:.1f} of {cores} cores while {shape} was measured: repeat it on a quiet machine"
            for shape, other in taken.items()
            if other > spare
        ]

    def _ask(self, finalists: Sequence[Finalist]) -> None:
        """Collect their answers, but of those that something usable is much faster than: these get a reason."""
        answers = Answers(bench=self.bench, tolerance=self.compile.tolerance)
        slow = [] if self.budget.limits_bytes else [f for f in finalists[1:] if much_faster(f, finalists)]
        numbers = set(map(id, slow))
        asked = [finalist for finalist in finalists if id(finalist) not in numbers]
        answers.collect(asked)
        if not slow:
            return
        usable = [finalist for finalist in asked if self._usable(finalist, finalists[0])]
        late = []
        for finalist in slow:
            faster = much_faster(finalist, usable)
            if faster:
                finalist.reason = f"left out, {faster[0].label} is at least {MUCH:g} times as fast at every shape"
            else:
                late.append(finalist)
        if late:
            answers.collect(late)

    def _usable(self, finalist: Finalist, base: Finalist) -> bool:
        """Whether it may be returned, whatever it takes: exact, and within the budget's limit on quality."""
        if not finalist.exact or finalist.on_validation is None or base.on_validation is None:
            return False
        metric, targets = self.bench.workload.metric, self.bench.workload.validation.targets
        value, whole = (metric.compute(answers, targets) for answers in (finalist.on_validation, base.on_validation))
        return self.budget.keeps_quality(metric.name, value, whole)

    def _timed(self, finalists: list[Finalist]) -> list[Finalist]:
        """Those that ran, with their latencies; one that does not run is dropped, and the others are timed again."""
        found = None
        while found is None:
            finalists = self._with_base(finalists)
            try:
                found = self.bench.against_first(
                    [f.built for f in finalists],
                    self.bench.served,
                    rounds=self.compile.rounds,
                    seconds=self.compile.seconds,
                    labels=[f.label for f in finalists],
                )
            except Unsupported as error:
                bad = next((f for f in finalists if f"{error.where}, ".startswith(f"{f.label}, ")), None)
                if bad is None:
                    raise
                self.failed[bad.label] = "; ".join(part for part in (error.what, error.why) if part)
                finalists = [finalist for finalist in finalists if finalist is not bad]
        for shape, rows in found.items():
            for finalist, (profile, speed) in zip(finalists, rows, strict=True):
                finalist.latency[shape], finalist.speedup[shape] = profile, speed
        return finalists

    def _with_base(self, finalists: list[Finalist]) -> list[Finalist]:
        """The same. Raises `Unsupported` when the model that was given is not among them."""
        if not finalists or finalists[0].stage != self.survivors[0][0]:
            raise Unsupported(
                "no backend here can run the model that was given",
                where=self.bench.workload.name,
                why="; ".join(f"{label}: {reason}" for label, reason in self.failed.items()),
                help="`burnish doctor` shows what is installed",
            )
        return finalists

    def _point(self, finalist: Finalist, base: Built) -> Point:
        workload = self.bench.workload
        validation = None
        if finalist.on_validation is not None:
            targets = workload.validation.targets
            validation = quality(workload.metric, finalist.on_validation, targets, self.machine)
        plain = finalist.variant.precision == "fp32"
        return Point(
            stage=finalist.stage,
            label=finalist.label,
            backend=finalist.built.backend.name,
            options=dict(finalist.built.options),
            exact=finalist.exact,
            reason=finalist.reason,
            validation=validation,
            latency=finalist.latency,
            speedup=finalist.speedup,
            parameters=parameters(finalist.variant.module),
            macs=macs(finalist.variant.module, one_row(self.bench.examples)) if plain else 0,
            size_bytes=finalist.built.size_bytes,
            smaller=base.size_bytes / finalist.built.size_bytes,
        )
