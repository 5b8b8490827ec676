"""Looks at the rows before any training: what is wrong with them stops the run, what is doubtful is said."""

from __future__ import annotations

from burnish.core.progress import Progress
from burnish.data.checks import check_disjoint, check_split
from burnish.data.samples.look import look
from burnish.workloads.workload import Workload

_LOOK_ROWS = 1000
"""Rows of each split that are looked at for wrong labels and a shift before training, for some seconds.

Doubles are looked for among all rows.
"""


def check_rows(work: Workload, progress: Progress) -> list[str]:
    """A line for everything doubtful: rows in two splits, labels, a shift. Raises `BadData` for what is wrong."""
    classes = len(work.labels) or None
    for name, split in (("train", work.train), ("validation", work.validation), ("test", work.test)):
        check_split(split, classes, name=name)
    shared: list[str] = []
    if work.unlabelled is not None:
        check_split(work.unlabelled, name="unlabelled")
        shared += check_disjoint(work.unlabelled, work.test, names=("unlabelled", "test"))
    with progress.task("looking at rows", 1) as bar:
        found = look(work.train, work.test, classes=bool(classes), limit=_LOOK_ROWS, validation=work.validation)
        shared += found.lines
        bar.advance()
    return [*shared, *([work.cheap] if work.cheap else [])]
