"""Quality of every candidate: on the validation rows to choose by, on the test rows to report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from _lib.bench import Bench
from _lib.candidate import Candidate
from _lib.timing import opened
from burnish.core.errors import BurnishError
from burnish.measure.metric import Array
from burnish.measure.quality import paired, predictions, quality

_FAILURES = (BurnishError, RuntimeError, ValueError, TypeError, LookupError)


def score(bench: Bench, candidates: Sequence[Candidate]) -> None:
    """Fill in `validation`, `test` and `test_delta` (paired with the base, which comes first).

    One that cannot be opened or called gets its error. As many at once as the cores hold.
    """
    work = bench.workload
    machine = bench.ours.ledger.machine
    base: Array | None = None
    side_by_side = max(1, machine.cores // bench.threads)
    with (
        bench.progress.task("accuracy", total=len(candidates)) as task,
        ThreadPoolExecutor(side_by_side) as pool,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for item, found in zip(candidates, pool.map(lambda item: _predict(bench, item), candidates), strict=True):
            task.advance(note=item.label)
            if found is None:
                continue
            on_validation, on_test = found
            base = on_test if base is None else base
            item.validation = work.metric.compute(on_validation, work.validation.targets)
            item.test = quality(work.metric, on_test, work.test.targets, machine.label)
            item.test_delta = paired(work.metric, on_test, base, work.test.targets, machine.label)


def _predict(bench: Bench, item: Candidate) -> tuple[Array, Array] | None:
    if item.error:
        return None
    try:
        executable = opened(bench, item)
        try:
            return predictions(executable, bench.workload.validation), predictions(executable, bench.workload.test)
        finally:
            executable.close()
    except _FAILURES as error:
        item.error = f"{type(error).__name__}: {error}"
        return None
