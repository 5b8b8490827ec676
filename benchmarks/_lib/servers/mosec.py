"""mosec: batches by size and wait; a full queue answers 429."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, raw
from _lib.servers.work import Array, Work


class Mosec(Server):
    """mosec: batches by size and wait; a full queue answers 429."""

    name = "mosec"
    packages = (
        "mosec==0.9.8",
        "numpy",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        waits = (1, round(0.1 * limit_ms), round(0.3 * limit_ms))
        return [
            {"max_batch": max_batch, "wait_ms": wait, "capacity": capacity}
            for wait in waits
            for capacity in (1024, 2 * max_batch)
        ]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        del work, folder
        command = [self.python, str(APPS / "mosec_app.py"), "--address", "127.0.0.1", "--port", str(port)]
        return [*command, "--capacity", str(settings["capacity"]), "--log-level", "warning"]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return raw(row)

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/inference"


PART = Mosec()
