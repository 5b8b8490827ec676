"""Starts the measuring worker for real modules; a file of its own so that Python can run it by path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from _lib.module_worker import ModuleWorker  # noqa: E402
from burnish.measure.worker import serve  # noqa: E402

serve(ModuleWorker())
