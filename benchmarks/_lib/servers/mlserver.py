"""MLServer: batches by size and time; never refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, free_port, v2
from _lib.servers.work import Array, Work
from burnish.serve.protocol.datatypes import datatype_of


class MlServer(Server):
    """MLServer: batches by size and time; never refuses."""

    name = "mlserver"
    packages = (
        "mlserver==1.7.1",
        "uvloop<0.22",
        "numpy",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        waits = (0.1, 0.1 * limit_ms, 0.3 * limit_ms)
        return [{"max_batch": max_batch, "wait_ms": wait, "workers": workers} for wait in waits for workers in (0, 1)]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        del work
        server = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        server |= {"parallel_workers": settings["workers"], "debug": False}
        model = {"name": "model", "implementation": "mlserver_app.Model", "max_batch_size": settings["max_batch"]}
        model["max_batch_time"] = settings["wait_ms"] / 1000
        (folder / "settings.json").write_text(json.dumps(server))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(self.home / "bin" / "mlserver"), "start", str(folder)]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return v2([("x", datatype_of(row.dtype), row[None])], binary=False)

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/v2/models/model/infer"

    def environment(self) -> dict[str, str]:
        """See `Server.environment`."""
        return {"PYTHONPATH": str(APPS)}


PART = MlServer()
