"""A look at rows before training: doubles among all, the rest on at most so many; as sentences and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.data.doubles import Doubles, find_doubles
from burnish.data.samples import duplicates
from burnish.data.samples.columns import DUPLICATE, LABEL_ISSUE, NEAR_DUPLICATE, UNLIKE_TEST, SampleColumns
from burnish.data.samples.doubt import FEWEST, Doubt, doubt_labels
from burnish.data.samples.features import features
from burnish.data.samples.shift import find_shift
from burnish.data.split import Split

_UNLIKE = 0.05


@dataclass(frozen=True, kw_only=True)
class Look:
    """`lines` say what was found, empty when nothing was; `columns` are of the training rows that were looked at.

    `doubt` is about those rows, by their place in `columns`; None where targets are no classes. `doubles` are of all
    rows: of the training rows, then of each two splits that were compared.
    """

    columns: SampleColumns
    lines: list[str]
    doubt: Doubt | None
    doubles: tuple[Doubles, ...]


def look(
    train: Split, test: Split, *, classes: bool, limit: int, validation: Split | None = None, seed: int = 0
) -> Look:
    """Look at no more than `limit` rows of each split, drawn by `seed`. Labels only where targets are `classes`.

    Doubles are looked for in all training rows, and with `validation` rows of two of the three splits, too.
    """
    rows, others = _drawn(len(train), limit, seed), _drawn(len(test), limit, seed + 1)
    part = train.take(rows)
    mine, theirs = features(part), features(test.take(others))
    doubles = find_doubles(train) if validation is None else find_doubles(train, validation=validation, test=test)
    flags: dict[str, NDArray[np.int64]] = {DUPLICATE: np.flatnonzero(np.isin(rows, doubles[0].rows))}
    flags[NEAR_DUPLICATE] = np.setdiff1d(duplicates.near(mine), flags[DUPLICATE])
    lines = [found.line for found in doubles if len(found.rows)]
    weight, difficulty, p_test = np.ones(len(rows)), np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    doubt = doubt_labels(part, mine) if classes else None
    if doubt is not None and (issues := doubt.issues) is not None:
        difficulty = 1 - issues.confidence
        flags[LABEL_ISSUE] = issues.rows
        if doubt.noisy:
            first = ", ".join(str(row) for row in rows[issues.rows[:5]])
            weight = issues.right / max(float(issues.right.mean()), 1e-12)
            lines.append(
                f"about {doubt.share:.0%} of {len(rows):,} labels looked at may be wrong, says a quick classifier "
                f"that can err: rows {first}, ... (`burnish data check` shows them)"
            )
    if min(len(rows), len(others)) >= FEWEST and mine.names == theirs.names:
        shift = find_shift(mine, theirs, seed=seed)
        p_test = shift.p_test
        if shift.found:
            weight, flags[UNLIKE_TEST] = weight * shift.weights(), shift.unlike(_UNLIKE)
            weight = weight / max(float(weight.mean()), 1e-12)
            lines.append(
                f"training and test rows differ: AUC {shift.auc:.3f} [{shift.low:.3f}, {shift.high:.3f}], "
                f"most in {', '.join(shift.columns[:5]) or 'no single column'}"
            )
    sets = {flag: set(found.tolist()) for flag, found in flags.items()}
    named = tuple(tuple(flag for flag, found in sets.items() if row in found) for row in range(len(rows)))
    columns = SampleColumns(rows=rows, difficulty=difficulty, weight=weight, p_test=p_test, flags=named)
    return Look(columns=columns, lines=lines, doubt=doubt, doubles=doubles)


def _drawn(count: int, limit: int, seed: int) -> NDArray[np.int64]:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))
