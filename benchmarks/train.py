"""The training engine: the loop beside one by hand, number formats, torch.compile, ranks, memory, optimizers.

    python benchmarks/train.py
    python benchmarks/train.py --parts loop --rounds 20
    python benchmarks/train.py --parts ranks planner optimizers      # no times in them

Needs BURNISH_CIFAR10. `loop` trains digits and CIFAR-10 with both loops in turns, each in a process of its own.
`precision` times steps in fp32 and under bf16 autocast beside what `auto` takes. `compile` times steps with and without
torch.compile, and the first one. `ranks` starts torchrun on gloo: gradients of every strategy on 1, 2 and 4 ranks, and
the bytes that a rank of four holds. `planner` compares `burnish plan` with bytes of real runs. `optimizers` holds Lion
and Adafactor against their papers. The last line of stdout is one JSON document with the bars. See README.md beside
this file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines
from _lib.training.compile import compile_bars
from _lib.training.loop import loop_bars
from _lib.training.optimizers import optimizer_bars
from _lib.training.precision import precision_bars
from _lib.training.ranks import plan_bars, rank_bars

from burnish.core.errors import BurnishError

PARTS = ("loop", "precision", "compile", "ranks", "planner", "optimizers")


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=12, help="of loop, precision and compile")
    parser.add_argument("--threads", type=int, default=1, help="of loop, precision and compile")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    progress = Lines()
    found: dict[str, Any] = {}
    bars: list[Bar] = []
    try:
        if "loop" in options.parts:
            bars += loop_bars(options.rounds, options.threads, found, progress)
        if "precision" in options.parts:
            bars += precision_bars(options.rounds, options.threads, found, progress)
        if "compile" in options.parts:
            bars += compile_bars(options.rounds, options.threads, found, progress)
        if "ranks" in options.parts:
            bars += rank_bars(found, progress)
        if "planner" in options.parts:
            bars += plan_bars(found, progress)
        if "optimizers" in options.parts:
            bars += optimizer_bars(found, progress)
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    return results.report("train", bars, {"found": found}, options.results)


if __name__ == "__main__":
    sys.exit(main())
