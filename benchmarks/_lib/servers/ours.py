"""`burnish serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from _lib.servers.server import Body, Server, Settings, v2
from _lib.servers.work import Array, Work
from burnish.serve.protocol.datatypes import datatype_of

_NAME = "model"


class Burnish(Server):
    """One setting: the target. Nothing is tuned."""

    name = "burnish"

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        return [{"target_ms": limit_ms, "max_batch": max_batch}]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        models = folder / "models"
        models.mkdir(exist_ok=True)
        if not any(models.iterdir()):
            (models / _NAME).symlink_to(work.artifact.resolve())
        command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(models)]
        command += ["--port", str(port), "--grpc-port", str(settings.get("grpc_port", 0)), "--threads", "1"]
        return [*command, "--latency-target-ms", str(settings["target_ms"]), "--max-batch", str(settings["max_batch"])]

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        array = np.ascontiguousarray(row[None])
        inputs = [(work.input, datatype_of(array.dtype), array)]
        if work.mask:
            inputs.append((work.mask, datatype_of(array.dtype), np.ones_like(array)))
        return v2(inputs)

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/v2/models/{_NAME}/infer"


PART = Burnish()
