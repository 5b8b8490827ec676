"""One HTTP connection: uvicorn's, with what it lacks against clients that mean harm.

uvicorn waits for ever for a first request, its headers and a body, takes headers of any size, refuses
connections only after it has read a request from them, and answers in plain text. The protocol class here
is its own, told when a connection goes from one stage to the next.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from burnish.serve.http.door import Door
from burnish.serve.http.leaving import LEAVING, Callbacks
from burnish.serve.http.patience import Progress, Stage
from burnish.serve.protocol.rest import dump_json


class Guarded(HttpToolsProtocol):
    """One connection, whose client gets limited time and room."""

    def __init__(self, door: Door, **settings: Any) -> None:
        super().__init__(**settings)
        self._door = door
        self._progress = Progress(self.loop.time())
        self._leaving: Callbacks = set()
        self._chunk = 0
        self._fault = (HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse at once when there is no room."""
        super().connection_made(transport)
        if not self._door.admit(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and tell whoever works on its requests."""
        self._door.forget(self)
        super().connection_lost(exc)
        while self._leaving:
            self._leaving.pop()()

    def data_received(self, data: bytes) -> None:
        """Count what comes. A head that is too large is refused before it is complete."""
        progress = self._progress
        if progress.stage is Stage.IDLE:
            progress.enter(Stage.HEAD, self.loop.time())
        self._chunk = len(data)
        progress.size += self._chunk
        super().data_received(data)
        if self.transport.is_closing():
            return
        if progress.stage is Stage.HEAD and progress.size > self._door.patience.max_head:
            self._refuse(*self._head_too_large())
        elif progress.stage is Stage.BODY and progress.size > self._door.max_body and self.cycle.response_complete:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins, perhaps before the one before it is answered."""
        super().on_message_begin()
        self.scope["extensions"] = {LEAVING: {"callbacks": self._leaving}}
        if self._progress.stage is not Stage.HEAD:
            self._progress.enter(Stage.HEAD, self.loop.time())
            self._progress.size = self._chunk

    def on_headers_complete(self) -> None:
        """What raises here is answered with `_fault`."""
        patience = self._door.patience
        if self._progress.size > patience.max_head:
            head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head > patience.max_head:
                self._fault = self._head_too_large()
                raise ValueError
        if len(self.pipeline) >= patience.max_waiting:
            self._fault = (HTTPStatus.TOO_MANY_REQUESTS, "too many requests sent ahead on one connection")
            raise ValueError
        super().on_headers_complete()
        self._door.asks(self)
        self._progress.enter(Stage.BODY, self.loop.time())

    def on_message_complete(self) -> None:
        """Now it is the service's turn, unless it refused the request already."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._idle()
        else:
            self._progress.enter(Stage.ANSWER, self.loop.time())

    def on_response_complete(self) -> None:
        """An answer is written; a body that is still under way is read and thrown away."""
        more = bool(self.pipeline)
        super().on_response_complete()
        if self._progress.stage is Stage.ANSWER and not more:
            self._idle()

    def send_400_response(self, msg: str) -> None:
        """Refuse in the protocol's form."""
        del msg
        self._refuse(*self._fault)

    def abort(self) -> None:
        """Close it now."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """End the connection if its client takes too long."""
        patience, progress = self._door.patience, self._progress
        if progress.stuck(now, self.transport.get_write_buffer_size(), patience):
            self.transport.abort()
        elif self.flow.read_paused:
            progress.held(now)
        elif progress.late(now, patience) and not self.transport.is_closing():
            if progress.stage is Stage.IDLE or (self.cycle is not None and self.cycle.response_started):
                self.transport.close()
            else:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")

    def _idle(self) -> None:
        self._progress.enter(Stage.IDLE, self.loop.time())
        self._door.waits(self)

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked for another protocol; what follows is not HTTP."""
        self.cycle.keep_alive = False

    def _head_too_large(self) -> tuple[HTTPStatus, str]:
        most = self._door.patience.max_head
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request line and headers are larger than {most} bytes"

    def _refuse(self, status: HTTPStatus, what: str) -> None:
        body = dump_json({"error": what})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
