"""`make demo`: the whole job on a real data set, in a few minutes, with nothing to prepare.

Fashion-MNIST where it can be had (a folder in BURNISH_FASHION_MNIST, the system's package, or a
download), else scikit-learn's digits, which are always there.
"""

from __future__ import annotations

from pathlib import Path

from burnish.cli.optimize import optimize
from burnish.cli.terminal.console import print_error, print_note
from burnish.core.errors import BurnishError, MissingData
from burnish.workloads.registry import get


def main() -> int:
    """Run it; the exit code."""
    try:
        optimize(
            _recipe(), data=None, budget=None, overrides=(), out=Path("demo-output"), seed=None, threads=None,
            device=None, devices=None, restarts=0, dry_run=False,
        )  # fmt: skip
    except BurnishError as error:
        print_error(error)
        return 1
    print_note("next: open the report, then try `burnish list`, `burnish explain prune`, `burnish doctor`")
    return 0


def _recipe() -> str:
    try:
        get("fashion-mnist")
    except MissingData as error:
        print_note(f"Fashion-MNIST is not on this machine, so the demo uses handwritten digits\n{error.help}")
        return "digits"
    return "fashion-mnist"


if __name__ == "__main__":
    raise SystemExit(main())
