"""Starts the worker that decodes; a file of its own so that Python can run it by path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from _lib.fuzz_worker import main  # noqa: E402

main(*map(int, sys.argv[1:]))
