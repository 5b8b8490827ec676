"""Starts one front end: NAME PORT. A file of its own so that Python can run it by path."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from _lib.frontend_app import Application  # noqa: E402


def burnish(port: int) -> None:
    """uvicorn as `burnish serve` has it: with limits for every client."""
    import uvloop

    from burnish.serve.http.door import Door
    from burnish.serve.http.patience import Patience
    from burnish.serve.http.server import Server

    async def run() -> None:
        app = Application()
        await app.service.start()
        door = Door(Patience(), most=4096, max_body=1 << 20)
        await Server(app, door).serve(sockets=[socket.create_server(("127.0.0.1", port))])
        await app.service.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def uvicorn(port: int) -> None:
    """uvicorn with uvloop and httptools."""
    import uvicorn

    uvicorn.run(Application(), port=port, loop="uvloop", http="httptools", log_level="error", access_log=False)


def granian(port: int) -> None:
    """granian with one worker and uvloop."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        "_lib.frontend_app:application",
        factory=True,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_enabled=False,
    ).serve()


def hypercorn(port: int) -> None:
    """hypercorn on uvloop."""
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind, config.loglevel = [f"127.0.0.1:{port}"], "ERROR"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Application(), config))  # type: ignore[arg-type]


if __name__ == "__main__":
    {"burnish": burnish, "uvicorn": uvicorn, "granian": granian, "hypercorn": hypercorn}[sys.argv[1]](int(sys.argv[2]))
