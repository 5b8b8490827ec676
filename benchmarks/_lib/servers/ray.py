"""Ray Serve: batches by size and wait from the first request."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, raw
from _lib.servers.work import Array, Work


class RayServe(Server):
    """Ray Serve: batches by size and wait from the first request."""

    name = "ray"
    packages = (
        "ray[serve]==2.60.0",
        "numpy",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        waits = (0.0, 0.1 * limit_ms, 0.3 * limit_ms)
        return [{"max_batch": max_batch, "wait_ms": wait} for wait in waits]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        del work, settings, port, folder
        return [self.python, str(APPS / "ray_app.py")]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return raw(row)

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/"

    def environment(self) -> dict[str, str]:
        """See `Server.environment`."""
        return {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}

    def after(self) -> None:
        """Its processes leave the group that was killed."""
        subprocess.run([str(self.home / "bin" / "ray"), "stop", "--force"], capture_output=True, check=False)


PART = RayServe()
