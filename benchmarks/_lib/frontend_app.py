"""The application of `burnish serve` for any ASGI server: the artifact's folder is in FRONTEND_ARTIFACT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from burnish.serve.batch import Limits
from burnish.serve.engine import Engine
from burnish.serve.http.app import App
from burnish.serve.metrics.counts import VersionCounts
from burnish.serve.metrics.metrics import Metrics
from burnish.serve.room import Room
from burnish.serve.service import Service


class Application:
    """Starts the service when the server says so."""

    def __init__(self) -> None:
        folder, metrics = Path(os.environ["FRONTEND_ARTIFACT"]), Metrics(None)

        def make(model: str, version: str, folder: Path) -> Engine:
            return Engine(folder, Limits(), target_s=30.0, threads=1, observer=VersionCounts(metrics, model, version))

        self.service = Service(lambda: {"model": {"1": folder}}, make)
        self._app = App(self.service, max_body=1 << 20, room=Room(1 << 30))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        while (await receive())["type"] == "lifespan.startup":
            await self.service.start()
            await send({"type": "lifespan.startup.complete"})
        await self.service.stop()
        await send({"type": "lifespan.shutdown.complete"})


def application() -> Application:
    """For servers that call a factory."""
    return Application()
