"""What is known about rows, as columns that go with them: difficulty, weight, likeness to the test rows, flags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData

Floats = NDArray[np.float64]

DUPLICATE, NEAR_DUPLICATE, LABEL_ISSUE, UNLIKE_TEST = "duplicate", "near-duplicate", "label-issue", "unlike-test"
FLAGS = (DUPLICATE, NEAR_DUPLICATE, LABEL_ISSUE, UNLIKE_TEST)


@dataclass(frozen=True, kw_only=True)
class SampleColumns:
    """One entry per looked-at training row. NaN stands for not measured.

    `rows` int64 [N]: row numbers of the split. `difficulty` [N]: the loss, or 1 - confidence, of a model that did
    not learn from the row; higher is harder. `weight` [N]: how much the row should count, mean 1. `p_test` [N]: the
    probability of being a test row. `flags`: names out of `FLAGS` per row. `data` is the fingerprint of the whole
    split that the rows are of, and `data_rows` its number of rows.
    """

    rows: NDArray[np.int64]
    difficulty: Floats
    weight: Floats
    p_test: Floats
    flags: tuple[tuple[str, ...], ...]
    data: str = ""
    data_rows: int = 0

    def __post_init__(self) -> None:
        lengths = {len(self.rows), len(self.difficulty), len(self.weight), len(self.p_test), len(self.flags)}
        if len(lengths) > 1:
            raise BadData(f"columns of {sorted(lengths)} rows", where="sample columns", help="give one entry per row")

    def flagged(self, flag: str) -> NDArray[np.int64]:
        """Row numbers with this flag."""
        return self.rows[[flag in found for found in self.flags]]
