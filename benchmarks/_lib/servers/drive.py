"""Load on a running server: open loop at due moments, closed loop by clients, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from _lib.servers.server import Server, Settings
from _lib.servers.work import Work
from burnish.serve.load import client
from burnish.serve.load.summary import Summary, summarize
from burnish.serve.load.wire import Body, Wires
from burnish.serve.settle import settle

_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Live:
    """A server that runs, and how to ask it."""

    server: Server
    work: Work
    port: int
    pid: int

    def open_loop(self, due: Sequence[float], limit_s: float) -> Summary:
        """Send a request at each moment of `due`, whatever came of earlier ones."""
        bodies = [self.server.body(self.work, row) for row in self.work.rows]
        run = client.run(self.server.url(self.port), bodies, due, patience_s=_PATIENCE_S, tell=lambda _done: None)
        replies = asyncio.run(run)
        return summarize(replies, len(due) / due[-1], due[-1], limit_s)

    def closed_loop(self, clients: int, seconds: float) -> float:
        """Answers per second of clients that send the next request when the last one is answered."""
        body = self.server.body(self.work, self.work.rows[0])
        return asyncio.run(self._closed(body, clients, seconds))

    async def _closed(self, body: Body, clients: int, seconds: float) -> float:
        wires = Wires(self.server.url(self.port))
        request = wires.render(body)

        async def one(until: float) -> int:
            count = 0
            while time.monotonic() < until:
                answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                wires.send(request, answer.set_result)
                count += await answer == 200
            return count

        await asyncio.gather(*(one(time.monotonic() + 1.0) for _ in range(clients)))
        began = time.monotonic()
        counts = await asyncio.gather(*(one(began + seconds) for _ in range(clients)))
        rate = sum(counts) / (time.monotonic() - began)
        await wires.close()
        return rate


def with_server(
    server: Server, work: Work, settings: Settings, folder: Path, use: Callable[[Live], object], *, cores: str = ""
) -> None:
    """Start, use, end. The folder is made for it and keeps its log."""
    folder.mkdir(parents=True, exist_ok=True)
    with server.running(work, settings, folder, cores=cores) as (port, pid):
        settle()
        use(Live(server, work, port, pid))


def highest(share: Callable[[float], float], low: float, high: float, steps: int) -> float:
    """The highest rate at which at least 99 % are in time, by halving; 0 when not even `low` is kept up with."""
    if share(low) < 0.99:
        return 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= 0.99 else (low, middle)
    return low
