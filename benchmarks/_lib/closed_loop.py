"""A client with little of its own: connections that send one request again and again, each after its answer."""

from __future__ import annotations

import asyncio
import time

import uvloop


class Connection(asyncio.Protocol):
    """Sends the request until it is told to stop; keeps the seconds of every answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._found = bytearray()
        self._sent = 0.0
        self.seconds: list[float] = []
        self.failed = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._found += data
        head = self._found.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = bytes(self._found[:head]).lower()
        size = int(lower.partition(b"content-length:")[2].partition(b"\r")[0])
        if len(self._found) < head + 4 + size:
            return
        self.seconds.append(time.perf_counter() - self._sent)
        self.failed += not self._found.startswith(b"HTTP/1.1 200")
        self._found.clear()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.closed.done():
            self.closed.set_result(None)

    def stop(self) -> None:
        """Close; an answer that is under way does not count."""
        self._transport.close()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def measure(port: int, request: bytes, connections: int, seconds: float) -> tuple[float, list[float], int]:
    """Requests per second, the seconds of each, and how many were not answered with 200."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(port, request, connections, seconds))


async def _measure(port: int, request: bytes, connections: int, seconds: float) -> tuple[float, list[float], int]:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(request), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    await asyncio.wait([each.closed for each in made], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    took = time.perf_counter() - began
    for each in made:
        each.stop()
    await asyncio.wait([each.closed for each in made])
    every = [second for each in made for second in each.seconds]
    return len(every) / took, every, sum(each.failed for each in made)
