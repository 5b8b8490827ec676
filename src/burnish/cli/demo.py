"""`make demo`: the whole job on a real data set, in a few minutes, with nothing to prepare.

Fashion-MNIST where it can be had (a folder in BURNISH_FASHION_MNIST, the system's package, or a
download), else scikit-learn's digits, which are always there.
"""

from __future__ import annotations

import sys

from burnish.cli.main import app
from burnish.cli.terminal.console import print_note
from burnish.core.errors import BurnishError, MissingData
from burnish.workloads.registry import get


def main() -> int:
    """Run it as the command line that the report shows; the exit code."""
    sys.argv = ["burnish", "optimize", _recipe(), "--out", "demo-output"]
    code = app(standalone_mode=False)
    if code:
        return int(code)
    print_note("next: open the report, then try `burnish list`, `burnish explain prune`, `burnish doctor`")
    return 0


def _recipe() -> str:
    try:
        get("fashion-mnist")
    except MissingData as error:
        print_note(f"Fashion-MNIST is not on this machine, so the demo uses handwritten digits\n{error.help}")
        return "digits"
    except BurnishError:
        return "fashion-mnist"  # the command says what is wrong with it
    return "fashion-mnist"


if __name__ == "__main__":
    raise SystemExit(main())
