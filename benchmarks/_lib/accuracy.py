"""Quality of every candidate: on the validation rows to choose by, on the test rows to report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from _lib.bench import Bench
from _lib.candidate import Candidate
from _lib.timing import opened
from burnish.core.errors import BurnishError
from burnish.measure.metric import Array
from burnish.measure.quality import paired, predictions, quality

_FAILURES = (BurnishError, RuntimeError, ValueError, TypeError, LookupError)


def score(bench: Bench, candidates: Sequence[Candidate]) -> None:
    """Fill in `validation`, `test` and `test_delta` (paired with the base, which comes first).

    One that cannot be opened or called gets its error.
    """
    work = bench.workload
    machine = bench.ours.ledger.machine.label
    base: Array | None = None
    with bench.progress.task("accuracy", total=len(candidates)) as task:
        for item in candidates:
            task.advance(note=item.label)
            if item.error:
                continue
            try:
                on_validation, on_test = _predict(bench, item)
            except _FAILURES as error:
                item.error = f"{type(error).__name__}: {error}"
                continue
            base = on_test if base is None else base
            item.validation = work.metric.compute(on_validation, work.validation.targets)
            item.test = quality(work.metric, on_test, work.test.targets, machine)
            item.test_delta = paired(work.metric, on_test, base, work.test.targets, machine)


def _predict(bench: Bench, item: Candidate) -> tuple[Array, Array]:
    executable = opened(bench, item)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return predictions(executable, bench.workload.validation), predictions(executable, bench.workload.test)
    finally:
        executable.close()
