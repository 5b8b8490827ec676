"""Connections that send ready-made requests and read status codes. httptools is imported here and nowhere else.

A load generator's own work is part of every latency it measures, and it may share the machine with what it
measures. So requests are made ready before, and nothing of an answer is kept but its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

import httptools

from burnish.core.errors import ServiceError

Body = tuple[bytes, dict[str, str]]
"""A request and its headers."""

Done = Callable[[int], None]
"""Hears the HTTP status of an answer that has been read to its end, 0 when there was none."""


def check_url(url: str) -> SplitResult:
    """The parts of an http or https URL. Raises `ServiceError` when it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ServiceError(f"not an http or https URL: {url!r}", help="give one as http://127.0.0.1:8000")
    return parts


class Wires:
    """Keep-alive connections to one URL, opened when none is free; their number has no limit."""

    def __init__(self, url: str) -> None:
        """Raises `ServiceError` when this is no http or https URL."""
        parts = check_url(url)
        self._host, self._secure = str(parts.hostname), parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._line = f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        self._free: list[_Wire] = []
        self._all: set[_Wire] = set()
        self._opening: set[asyncio.Task[None]] = set()

    def render(self, body: Body) -> bytes:
        """The bytes of a POST request to the URL."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in body[1].items())
        return f"{self._line}{lines}content-length: {len(body[0])}\r\n\r\n".encode() + body[0]

    def send(self, request: bytes, done: Done) -> None:
        """Send it now; `done` is called once."""
        if self._free:
            self._free.pop().ask(request, done)
            return
        task = asyncio.get_running_loop().create_task(self._open(request, done))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, request: bytes, done: Done) -> None:
        loop = asyncio.get_running_loop()
        ssl = True if self._secure else None
        try:
            _, wire = await loop.create_connection(lambda: _Wire(self), self._host, self._port, ssl=ssl)
        except (OSError, asyncio.CancelledError):
            done(0)
        else:
            self._all.add(wire)
            wire.ask(request, done)

    def take_back(self, wire: _Wire) -> None:
        """It has its answer."""
        self._free.append(wire)

    def forget(self, wire: _Wire) -> None:
        """It is closed."""
        self._all.discard(wire)
        if wire in self._free:
            self._free.remove(wire)

    async def close(self) -> None:
        """Close all connections; requests that still wait hear 0."""
        for task in self._opening:
            task.cancel()
        for wire in tuple(self._all):
            wire.abort()
        while self._opening or self._all:
            await asyncio.sleep(0.001)


class _Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, owner: Wires) -> None:
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._done: Done | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def ask(self, request: bytes, done: Done) -> None:
        """Send a request on the free connection."""
        assert self._transport is not None, "not connected"
        self._done = done
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_message_complete(self) -> None:
        """The parser has read an answer to its end."""
        done, self._done = self._done, None
        if not self._parser.should_keep_alive():
            self.abort()
        elif done is not None:
            self._owner.take_back(self)
        if done is not None:
            done(self._parser.get_status_code())

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._owner.forget(self)
        done, self._done = self._done, None
        if done is not None:
            done(0)

    def abort(self) -> None:
        """Close it now."""
        assert self._transport is not None, "not connected"
        self._transport.abort()
