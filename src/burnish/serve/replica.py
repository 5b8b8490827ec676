"""The service as one ASGI application that starts and ends with its host: what another engine runs as a replica.

The models stand still: who asks one of many replicas to load something would change that one only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burnish.core.errors import BurnishError
from burnish.serve.engine import Engine
from burnish.serve.http.app import App
from burnish.serve.http.body import Receive
from burnish.serve.http.pages import home, openapi
from burnish.serve.http.reply import Scope, Send
from burnish.serve.keys import Keys
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.repository import Models
from burnish.serve.run import Options
from burnish.serve.service import Service


class _Fixed(Service):
    """A service whose models are those it began with."""

    async def load(self, model: str) -> None:
        """Raises `ProtocolError`, always."""
        del model
        raise ProtocolError(400, "the models of this service are changed by deploying it again")

    async def unload(self, model: str) -> None:
        """Raises `ProtocolError`, always."""
        await self.load(model)

    async def set_rollout(self, model: str, settings: dict[str, Any]) -> None:
        """Raises `ProtocolError`, always: one replica of many would follow."""
        del settings
        raise ProtocolError(400, f"the rollout of {model[:64]!r} is its file rollout.yaml, read when it is deployed")


class Replica:
    """`lifespan` starts and ends the models; HTTP is answered by `App`. A host may `start` them before."""

    def __init__(self, models: Models, options: Options, keys: Keys) -> None:
        def make(model: str, version: str, folder: Path) -> Engine:
            del model, version
            return Engine(folder, options.limits, target_s=options.target_s, threads=options.threads)

        self._service = _Fixed(lambda: models, make)
        pages = {"/": home, "/openapi.json": openapi}
        self._app = App(self._service, max_body=options.max_body, room=options.room(), keys=keys, pages=pages)

    async def start(self) -> None:
        """Start the models, unless they run. Raises `ArtifactError`."""
        if not self._service.ready:
            await self._service.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                try:
                    await self.start()
                except BurnishError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif event == "lifespan.shutdown":
                await self._service.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
