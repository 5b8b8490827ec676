"""uvicorn as the HTTP server, with `Guarded` connections. uvicorn is imported here and in `connection` only."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn

from burnish.serve.http.connection import Guarded
from burnish.serve.http.door import Door
from burnish.serve.tls import Tls

_HANDSHAKE_S = 10.0


class Server(uvicorn.Server):
    """Listens until SIGTERM or Ctrl-C, then returns, so that what waits is answered.

    uvicorn's own would end the process.
    """

    def __init__(self, app: Callable[..., Any], door: Door, *, tls: Tls | None = None, drain_s: float = 30.0) -> None:
        self._door = door
        config = uvicorn.Config(
            app,
            http=Guarded,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            timeout_keep_alive=max(1, round(door.patience.idle_s)),
            timeout_graceful_shutdown=max(1, round(drain_s)),
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. Other than uvicorn's own, with a limit to the time that a TLS handshake takes."""
        config, loop = self.config, asyncio.get_running_loop()
        make = partial(Guarded, self._door, config=config, server_state=self.server_state, app_state={}, _loop=loop)
        limit = _HANDSHAKE_S if config.ssl else None
        self.servers = [
            await loop.create_server(
                make, sock=each, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=limit
            )
            for each in sockets or ()
        ]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; the connections are looked at once."""
        if counter % 10 == 0:
            self._door.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let both signals ask for the end while the server runs."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGINT, signal.SIGTERM)
        for number in caught:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)
