"""The finalists' answers to the validation rows and, of those exact enough, to the test rows.

Nothing is timed here, so two processes work side by side, each with half of the threads, and every program is opened
once for both. The answers to the test rows are put away: nothing looks at them before the choice is made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BurnishError
from burnish.measure.predictor import Predictor
from burnish.measure.quality import predict_module, predictions
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.workbench import Workbench

Array = NDArray[np.generic]

_SIDE_BY_SIDE = 2


@dataclass(frozen=True, kw_only=True)
class Answers:
    """`tolerance`: how far the metric on validation may be from the module's own, absolute or as a share of it."""

    bench: Workbench
    tolerance: float

    def collect(self, finalists: Sequence[Finalist]) -> None:
        """Fill in `on_validation`, `on_test`, and where those are missing or too far off `exact` and `reason`."""
        rows = self.bench.workload.validation
        wanted: dict[int, Array] = {}
        for finalist in finalists:
            if finalist.stage not in wanted:
                wanted[finalist.stage] = predict_module(finalist.variant.module, rows)
        lanes = min(_SIDE_BY_SIDE, self.bench.threads)
        threads = self.bench.threads // lanes
        with contextlib.ExitStack() as stack:
            free: SimpleQueue[Predictor] = SimpleQueue()
            for lane in range(lanes):
                folder = self.bench.folder / f"answers-{lane}"
                folder.mkdir(exist_ok=True)
                free.put(stack.enter_context(Predictor(threads, folder)))
            task = stack.enter_context(self.bench.progress.task("checking candidates", len(finalists)))
            pool = stack.enter_context(ThreadPoolExecutor(lanes))

            def ask(finalist: Finalist) -> None:
                predictor = free.get()
                try:
                    self._ask(finalist, wanted[finalist.stage], predictor, threads)
                finally:
                    free.put(predictor)

            for finalist, _ in zip(finalists, pool.map(ask, finalists), strict=True):
                task.advance(note=finalist.label)

    def _ask(self, finalist: Finalist, wanted: Array, predictor: Predictor, threads: int) -> None:
        workload = self.bench.workload
        candidate = replace(self.bench.candidate(finalist.built, finalist.label), threads=threads)
        try:
            with predictor.opened(candidate) as run:
                found = predictions(run, workload.validation)
                finalist.reason = self._fault(wanted, found)
                finalist.exact = not finalist.reason
                finalist.on_test = predictions(run, workload.test) if finalist.exact else None
        except BurnishError as error:
            finalist.exact, finalist.reason = False, "; ".join(part for part in (error.what, error.why) if part)
            return
        finalist.on_validation = found

    def _fault(self, wanted: Array, found: Array) -> str:
        """What is wrong with these answers; empty where they are exact enough."""
        metric, targets = self.bench.workload.metric, self.bench.workload.validation.targets
        exact, got = (metric.compute(each, targets) for each in (wanted, found))
        tolerance = self.tolerance * (1.0 if metric.points else abs(exact))
        if not np.isfinite(found).all():
            return "its outputs are not all finite"
        if abs(exact - got) > tolerance:
            return f"not exact enough: {metric.name} {exact:.4f} becomes {got:.4f} (tolerance {tolerance:g})"
        return ""
