"""LitServe: batches by size and a window that begins with the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, as_json
from _lib.servers.work import Array, Work


class LitServe(Server):
    """LitServe: batches by size and a window that begins with the loop."""

    name = "litserve"
    packages = (
        "litserve==0.2.19",
        "numpy",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        waits = (0.1, 0.1 * limit_ms, 0.3 * limit_ms)
        return [
            {"max_batch": max_batch, "wait_ms": wait, "timeout_s": limit_ms / 1000, "fast_queue": fast}
            for wait in waits
            for fast in (False, True)
        ]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        del work, settings, port, folder
        return [self.python, str(APPS / "litserve_app.py")]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return as_json({"x": row.tolist()})

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/predict"


PART = LitServe()
