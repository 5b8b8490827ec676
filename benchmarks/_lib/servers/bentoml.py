"""BentoML: fits a line to its latencies and cancels the oldest requests that it predicts late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, as_json
from _lib.servers.work import Array, Work


class BentoML(Server):
    """BentoML: fits a line to its latencies and cancels the oldest requests that it predicts late."""

    name = "bentoml"
    packages = (
        "bentoml==1.4.40",
        "numpy",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        return [{"max_batch": max_batch, "latency_ms": factor * limit_ms} for factor in (0.5, 1.0, 2.0)]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        del work, settings, folder
        command = [self.python, "-m", "bentoml", "serve", "bentoml_app:Model", "--working-dir", str(APPS)]
        return [*command, "--host", "127.0.0.1", "--port", str(port)]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return as_json({"x": [row.tolist()]})

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/infer"

    def environment(self) -> dict[str, str]:
        """See `Server.environment`."""
        return {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(self.home / "bentoml")}


PART = BentoML()
