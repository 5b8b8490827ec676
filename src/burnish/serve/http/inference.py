"""Inference over REST: body, request, answer, without a framework in between."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from burnish.serve.http.body import Gone, Receive, deflate, read_body
from burnish.serve.http.leaving import watch
from burnish.serve.http.paths import named
from burnish.serve.http.reply import Scope, Send, send_parts
from burnish.serve.protocol.messages import InferAnswer, InferRequest
from burnish.serve.protocol.rest import HEADER_LENGTH, json_size, parse_request, render_answer
from burnish.serve.room import Room
from burnish.serve.service import Service

_QUICK = 64 << 10
"""Bytes of JSON that are read on the event loop: some 5 ms."""


class Inference:
    """Answers inference requests of up to `max_body` bytes; `room` is what all bodies share."""

    def __init__(self, service: Service, max_body: int, room: Room) -> None:
        self._service = service
        self._max_body = max_body
        self._room = room
        self._reader = ThreadPoolExecutor(1, "json")

    async def answer(
        self, scope: Scope, parts: list[str], headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        """Answer the request whose path has these parts. Raises `ProtocolError`, `Gone`."""
        model, version = named(parts[2:-1])
        self._service.engine(model, version)
        with self._room.hold("http") as grow:
            body = await read_body(receive, headers, self._max_body, grow)
            request = await self._parsed(body, headers.get(HEADER_LENGTH))
            answer = await self._run(model, version, request, headers, scope, receive)
        more, tail = render_answer(answer, request)
        accepted = headers.get("accept-encoding", "")
        if accepted and accepted != "identity":
            encoding, whole = deflate(tail, accepted)
            tail = [whole]
            more |= {"content-encoding": encoding} if encoding else {}
        await send_parts(send, 200, more, tail)

    async def _parsed(self, body: bytes | bytearray, header_length: str | None) -> InferRequest:
        """The request; much JSON is read in a thread, one body at a time, so that others are answered meanwhile."""
        if json_size(header_length, len(body)) <= _QUICK:
            return parse_request(body, header_length)
        return await asyncio.get_running_loop().run_in_executor(self._reader, parse_request, body, header_length)

    async def _run(
        self, model: str, version: str, request: InferRequest, headers: dict[str, str], scope: Scope, receive: Receive
    ) -> InferAnswer:
        """The answer, unless the client goes away first: then the request leaves its queue.

        The request is run by this very task: every task between the engine and the socket would be one more turn
        of the event loop in which all answers of a batch wait for each other.
        """
        running = asyncio.current_task()
        assert running is not None, "called outside of a task"
        gone = False

        def left() -> None:
            nonlocal gone
            gone = True
            running.cancel()

        end = watch(scope, receive, left)
        try:
            return await self._service.infer(model, version, request, headers)
        except asyncio.CancelledError:
            if not gone:
                raise
            running.uncancel()
            raise Gone from None
        finally:
            end()
