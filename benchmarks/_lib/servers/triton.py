"""Triton with its Python backend: batches by size, preferred size and delay."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from _lib.servers.server import APPS, Body, Server, Settings, library_path, v2
from _lib.servers.work import Array, Work
from burnish.serve.protocol.datatypes import datatype_of


class Triton(Server):
    """Triton with its Python backend: batches by size, preferred size and delay."""

    name = "triton"
    packages = (
        "nvidia-pytriton==0.7.0",
        "onnxruntime",
    )

    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """See `Server.choices`."""
        delays = (0, round(20 * limit_ms), round(100 * limit_ms), round(300 * limit_ms))
        found: list[dict[str, Any]] = [{"max_batch": max_batch, "delay_us": delay, "timeout_us": 0} for delay in delays]
        return [*found, {"max_batch": max_batch, "delay_us": delays[2], "timeout_us": round(1000 * limit_ms)}]

    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """See `Server.command`."""
        root = self._root()
        model = folder / "repository" / "model"
        (model / "1").mkdir(parents=True, exist_ok=True)
        shutil.copy(APPS / "triton_app.py", model / "1" / "model.py")
        (model / "config.pbtxt").write_text(_config(work, settings))
        stub = root / "backends" / "python" / "triton_python_backend_stub"
        if not stub.exists():
            shutil.copy(root / "python_backend_stubs" / "3.11" / stub.name, stub)
        command = [str(root / "bin" / "tritonserver"), f"--model-repository={model.parent}"]
        command += [f"--backend-directory={root / 'backends'}", f"--cache-directory={root / 'caches'}"]
        command += ["--http-address=127.0.0.1", f"--http-port={port}", "--allow-grpc=false", "--allow-metrics=false"]
        return command

    def body(self, work: Work, row: Array) -> Body:
        """See `Server.body`."""
        del work
        return v2([("x", datatype_of(row.dtype), row[None])])

    def url(self, port: int) -> str:
        """See `Server.url`."""
        return f"http://127.0.0.1:{port}/v2/models/model/infer"

    def environment(self) -> dict[str, str]:
        """See `Server.environment`."""
        packages = next((self.home / "lib").glob("python*/site-packages"))
        return {"LD_LIBRARY_PATH": library_path(), "PYTHONPATH": str(packages)}

    def _root(self) -> Path:
        return next((self.home / "lib").glob("python*/site-packages")) / "pytriton" / "tritonserver"


def _config(work: Work, settings: Settings) -> str:
    dims = ", ".join("-1" if size is None else str(size) for size in work.spec["shape"])
    kind = datatype_of(work.spec["dtype"])
    batching = f"max_queue_delay_microseconds: {settings['delay_us']}"
    if settings["timeout_us"]:
        batching += f" default_queue_policy {{ default_timeout_microseconds: {settings['timeout_us']} }}"
    return f"""name: "model"
backend: "python"
max_batch_size: {settings["max_batch"]}
input [ {{ name: "x" data_type: TYPE_{kind} dims: [ {dims} ] }} ]
output [ {{ name: "y" data_type: TYPE_FP32 dims: [ -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
dynamic_batching {{ {batching} }}
"""


PART = Triton()
