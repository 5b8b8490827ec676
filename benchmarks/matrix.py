"""A model no one tuned for: two dozen modules of different kinds, default settings, one table.

    python benchmarks/matrix.py [NAME ...] [--results benchmarks/results]

Every module is taught a small task first; `BURNISH_BASES` names a folder that keeps the taught weights.
The cases and what must be true of each are those of `tests/matrix`, which `make test-all` runs.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from _lib.bars import Bar
from _lib.progress import Lines
from _lib.results import bar_lines, last_line, write

from burnish.core.errors import BurnishError
from burnish.core.machine import fingerprint

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.matrix.cases import CASES, Case
from tests.matrix.checks import Row, run_case


def main() -> int:
    """Run the cases; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases to run; all without any")
    parser.add_argument("--results", type=Path, default=None, help="also write a JSON file into this folder")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.names or case.name in options.names]
    rows: list[Row] = []
    crashed: dict[str, str] = {}
    progress = Lines()
    for case in chosen:
        progress.say(f"{case.name} ({case.kind})")
        try:
            rows.append(_row(case))
        except BurnishError as error:
            crashed[case.name] = str(error)
            continue
        progress.say(_line(rows[-1]))
    print("\n".join(_line(row) for row in rows), flush=True)
    bars = _bars(chosen, rows, crashed)
    print(bar_lines(bars))
    machine = fingerprint()
    line = last_line(bars, machine, shlex.join(["benchmarks/matrix.py", *sys.argv[1:]]))
    if options.results is not None:
        write("matrix", machine, line, {"rows": [row.to_dict() for row in rows], "crashed": crashed}, options.results)
    print(line, flush=True)
    return 0 if all(bar.holds for bar in bars) else 1


def _row(case: Case) -> Row:
    with tempfile.TemporaryDirectory(prefix="burnish-matrix-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_case(case, Path(folder) / "out")


def _bars(cases: Sequence[Case], rows: Sequence[Row], crashed: dict[str, str]) -> list[Bar]:
    """Nothing crashes, nothing comes back slower or worse; how much is won is told beside it."""
    faulty = {row.name: row.faults for row in rows if row.faults}
    slowest = min((row.speedup for row in rows), default=None)
    return [
        Bar(name="models run", value=float(len(rows)), unit="models", bar=float(len(cases)), note="; ".join(crashed)),
        Bar(
            name="models with a fault",
            value=float(len(faulty)),
            unit="models",
            bar=0.0,
            least=False,
            note="; ".join(f"{name}: {', '.join(faults)}" for name, faults in faulty.items()),
        ),
        Bar(name="smallest speedup over eager", value=slowest, unit="x", bar=1.0),
    ]


def _line(row: Row) -> str:
    passes = "; ".join(f"{name} {verdict}" for name, verdict in row.passes.items())
    return (
        f"{row.name:18} {row.kind:22} {row.backend:22} {row.speedup:6.2f}x [{row.speedup_low:.2f}, "
        f"{row.speedup_high:.2f}]  {row.metric} {row.base:.4f} {row.delta:+.4f}  {row.smaller:5.2f}x smaller  "
        f"{row.seconds:5.0f} s  {passes}{'  FAULT: ' + ', '.join(row.faults) if row.faults else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
