"""`burnish data convert`, `burnish data inspect` and `burnish data check`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.cli.terminal.bars import RichProgress
from burnish.cli.terminal.console import print_headline, print_line, print_rows
from burnish.core.errors import BadData
from burnish.data.doubles import Doubles
from burnish.data.samples.columns import DUPLICATE, FLAGS
from burnish.data.samples.doubt import Doubt
from burnish.data.samples.look import look
from burnish.data.tables import convert as converting
from burnish.data.tables import inspect as inspecting
from burnish.data.tables.samples import write_samples
from burnish.workloads import registry
from burnish.workloads.workload import Workload

_MB = 1e6
_FIRST = 8
"""Rows and pairs that are shown of each kind."""


def convert(source: Path, target: Path | None, codec: str) -> None:
    """Body of the command. Raises `BurnishError`."""
    path = target or source.with_suffix(".parquet")
    if path.resolve() == source.resolve():
        raise BadData("source and target are the same file", where=str(source), help="name another TARGET")
    with RichProgress() as progress:
        found = converting.convert(source, path, codec=codec, progress=progress)
    if found.tried:
        fastest = max(row.rows_per_s for row in found.tried)
        smallest = min(row.size_bytes for row in found.tried)
        print_rows(
            ("codec, on the first rows", "size", "read speed", ""),
            [
                (
                    row.codec,
                    f"{row.size_bytes / smallest:.2f}x the smallest",
                    f"{row.rows_per_s / fastest:.2f}x the fastest",
                    "chosen" if row.codec == found.codec else "",
                )
                for row in found.tried
            ],
        )
    print_line(f"{found.rows:,} rows, {len(found.columns)} columns: {', '.join(found.columns)}")
    sizes = f"{found.source_bytes / _MB:.2f} MB -> {found.size_bytes / _MB:.2f} MB"
    print_headline(f"{sizes} ({found.saved:.0%} smaller), {found.codec}")
    print_line(f"written: {path}")


def inspect(file: Path) -> None:
    """Body of the command. Raises `BurnishError`."""
    found = inspecting.inspect(file)
    rows = [
        (
            column.name,
            column.type,
            "?" if column.nulls is None else f"{column.nulls:,}",
            column.low,
            column.high,
            f"{column.size_bytes / _MB:.3f}",
            column.codec,
        )
        for column in found.columns
    ]
    print_rows(("column", "type", "empty", "lowest", "highest", "MB", "codec"), rows, numbers=(2, 5))
    print_line(f"{found.rows:,} rows in {found.row_groups} row groups, {found.size_bytes / _MB:.2f} MB")
    if found.classes:
        print_line(f"classes: {', '.join(found.classes)}")
    if found.source:
        print_line(f"from {found.source}, sha256 {found.source_sha256}")


def check(name: str, out: Path | None, rows: int, data: str | None) -> None:
    """Body of the command. Raises `BurnishError`."""
    work = registry.get(name, **({} if data is None else {"data": data}))
    found = look(work.train, work.test, classes=bool(work.labels), limit=rows, validation=work.validation)
    print_line(f"looked at {len(found.columns.rows):,} of {len(work.train):,} training rows")
    for line in found.lines:
        print_headline(line)
    _show_doubles(found.doubles)
    flagged = {flag: found.columns.flagged(flag) for flag in FLAGS if flag != DUPLICATE}
    told = [(flag, str(len(rows)), ", ".join(map(str, rows[:_FIRST]))) for flag, rows in flagged.items() if len(rows)]
    if told:
        print_rows(("flag", "rows", "the first of them"), told, numbers=(1,))
    elif not any(len(doubles.rows) for doubles in found.doubles):
        print_line("nothing found")
    if found.doubt is not None:
        _show_doubt(found.doubt, found.columns.rows, work)
    if out is not None:
        write_samples(replace(found.columns, data=work.train.fingerprint(), data_rows=len(work.train)), out)
        print_line(f"written: {out}")


def _show_doubles(found: tuple[Doubles, ...]) -> None:
    """The first rows that are there twice, in one split or in two, and how many were compared where not all were."""
    for doubles in found:
        if doubles.compared < doubles.total and doubles.names[0] == "train":
            what = f"the first {doubles.compared:,} of {doubles.total:,} {doubles.names[1]} rows"
            print_line(f"doubles were looked for in {what}: all would take too long")
    told = [
        (doubles.names[1], str(row), doubles.names[0], str(partner))
        for doubles in found
        for row, partner in zip(doubles.rows[:_FIRST], doubles.partners[:_FIRST], strict=True)
    ]
    if told:
        print_rows(("double in", "row", "is in", "as row"), told, numbers=(1, 3))


def _show_doubt(doubt: Doubt, rows: NDArray[np.int64], work: Workload) -> None:
    """The worst labels with what they should likely be, and what is taken for what. `rows` are those looked at."""
    if doubt.issues is None:
        print_line(f"labels were not looked at: {doubt.reason}")
        return
    issues = doubt.issues
    if not len(issues.rows):
        return
    print_line(doubt.told)
    names = [work.labels[label] if label < len(work.labels) else str(label) for label in doubt.known]
    given = np.searchsorted(doubt.known, work.train.targets[rows])
    worst = zip(issues.rows[:_FIRST], issues.suggested[:_FIRST], strict=True)
    print_rows(
        ("row", "label", "rather", "chance that the label is right"),
        [(str(rows[i]), names[given[i]], names[other], f"{issues.right[i]:.0%}") for i, other in worst],
        numbers=(0, 3),
    )
    pairs = issues.mistaken(given)[:_FIRST]
    print_rows(
        ("label", "rather", "doubtful rows"),
        [(names[label], names[other], str(count)) for label, other, count in pairs],
        numbers=(2,),
    )
