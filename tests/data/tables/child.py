"""Code in a process of its own, for what must be seen from outside: how much memory it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def output_of(code: str, folder: Path) -> str:
    """What the code prints; it has `folder` as its argument and its cache in there."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={"PATH": "", "BURNISH_CACHE": str(folder / "cache"), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
