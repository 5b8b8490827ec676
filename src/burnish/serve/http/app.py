"""The REST form of the protocol as one ASGI application, without a framework in the hot path."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from burnish.serve.http.body import Gone, Receive, deflate, read_body
from burnish.serve.keys import Keys
from burnish.serve.protocol.messages import InferRequest, ProtocolError
from burnish.serve.protocol.rest import HEADER_LENGTH, dump_json, json_size, parse_json, parse_request, render_answer
from burnish.serve.room import Room
from burnish.serve.service import Service

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Page = Callable[[], tuple[str, bytes]]
"""Makes a page: content type and body."""

_SMALL = 64 << 10
"""Bytes of a body that is no inference request."""

_QUICK = 64 << 10
"""Bytes of JSON that are read on the event loop: some 5 ms."""

_LOG = logging.getLogger(__name__)


class App:
    """The application. `pages` are answered to GET by path: metrics and the like; `room` is what all bodies share."""

    def __init__(
        self,
        service: Service,
        *,
        max_body: int,
        room: Room,
        keys: Keys | None = None,
        pages: dict[str, Page] | None = None,
    ) -> None:
        self._service = service
        self._keys = keys or Keys()
        self._max_body = max_body
        self._room = room
        self._reader = ThreadPoolExecutor(1, "json")
        self._pages = pages or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event."""
        if scope["type"] != "http":
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            await self._answer(scope, headers, receive, send)
        except Gone:
            return
        except ProtocolError as error:
            more = {"retry-after": str(math.ceil(error.retry_after))} if error.status == 429 else {}
            await _json(send, {"error": error.what}, status=error.status, headers=more)
        except asyncio.CancelledError:
            raise
        except Exception:
            _LOG.exception("an error that nobody expected")
            await _json(send, {"error": "internal error"}, status=500)

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        parts = path.strip("/").split("/")
        if parts[:2] != ["v2", "health"] and path not in self._pages:
            self._keys.check(headers)
        if method == "POST" and parts[:2] == ["v2", "models"] and parts[-1] == "infer":
            await self._infer(parts, headers, receive, send)
        elif method in ("GET", "HEAD") and path in self._pages:
            kind, page = self._pages[path]()
            await _send(send, 200, {"content-type": kind}, [page])
        elif parts[:1] == ["v2"]:
            body = await read_body(receive, headers, _SMALL)
            if parts[1:3] == ["repository", "models"] and parts[4:] == ["rollout"] and method in ("GET", "POST"):
                await _json(send, await self._rollout(method, parts[3], body))
            elif method == "POST" and parts[1:3] == ["repository", "models"] and len(parts) == 5:
                await self._change(parts[3], parts[4], body)
                await _json(send, {})
            else:
                await self._about(method, parts[1:], send)
        else:
            raise ProtocolError(404, "no such path; the protocol begins at /v2")

    async def _infer(self, parts: list[str], headers: dict[str, str], receive: Receive, send: Send) -> None:
        model, version = _named(parts[2:-1])
        self._service.engine(model, version)
        with self._room.hold("http") as grow:
            body = await read_body(receive, headers, self._max_body, grow)
            request = await self._parsed(body, headers.get(HEADER_LENGTH))
            answer = await self._run(model, version, request, headers, receive)
        more, tail = render_answer(answer, request)
        accepted = headers.get("accept-encoding", "")
        if accepted and accepted != "identity":
            encoding, whole = deflate(tail, accepted)
            tail = [whole]
            more |= {"content-encoding": encoding} if encoding else {}
        await _send(send, 200, more, tail)

    async def _parsed(self, body: bytes | bytearray, header_length: str | None) -> InferRequest:
        """The request; much JSON is read in a thread, one body at a time, so that others are answered meanwhile."""
        if json_size(header_length, len(body)) <= _QUICK:
            return parse_request(body, header_length)
        return await asyncio.get_running_loop().run_in_executor(self._reader, parse_request, body, header_length)

    async def _run(
        self, model: str, version: str, request: InferRequest, headers: dict[str, str], receive: Receive
    ) -> Any:
        """The answer, unless the client goes away first: then the request leaves its queue.

        The request is run by this very task: every task between the engine and the socket would be one more turn
        of the event loop in which all answers of a batch wait for each other.
        """
        running = asyncio.current_task()
        assert running is not None, "called outside of a task"
        waiting = True

        def left(_gone: asyncio.Future[Any]) -> None:
            if waiting:
                running.cancel()

        gone = asyncio.ensure_future(receive())
        gone.add_done_callback(left)
        try:
            return await self._service.infer(model, version, request, headers)
        except asyncio.CancelledError:
            if not gone.done():
                raise
            running.uncancel()
            raise Gone from None
        finally:
            waiting = False
            gone.cancel()

    async def _change(self, model: str, what: str, body: bytes | bytearray) -> None:
        """Load or unload a model. What it is made of lies in its folder; a request cannot bring its own."""
        given = parse_json(body) if body.strip() else {}
        if not isinstance(given, dict) or set(given.get("parameters") or {}) - {"unload_dependents"}:
            raise ProtocolError(400, "a model's settings and files cannot be given with a request")
        match what:
            case "load":
                await self._service.load(model)
            case "unload":
                await self._service.unload(model)
            case _:
                raise ProtocolError(404, "a model can be loaded and unloaded")

    async def _rollout(self, method: str, model: str, body: bytes | bytearray) -> dict[str, Any]:
        """How a model's versions share its requests; POST brings other settings."""
        if method == "POST":
            given = parse_json(body) if body.strip() else {}
            if not isinstance(given, dict):
                raise ProtocolError(400, "a rollout is a JSON object, as in rollout.yaml")
            await self._service.set_rollout(model, given)
        return self._service.rollout(model)

    async def _about(self, method: str, parts: list[str], send: Send) -> None:
        service = self._service
        match (method, *parts):
            case ("GET",):
                await _json(send, service.server_metadata())
            case ("GET", "health", "live"):
                await _send(send, 200, {}, [])
            case ("GET", "health", "ready"):
                await _send(send, 200 if service.ready else 503, {}, [])
            case ("POST", "repository", "index"):
                await _json(send, service.index())
            case ("GET", "models", *rest) if rest and rest[-1] == "ready":
                service.engine(*_named(rest[:-1]))
                await _send(send, 200 if service.ready else 503, {}, [])
            case ("GET", "models", "stats"):
                await _json(send, service.statistics())
            case ("GET", "models", *rest) if rest and rest[-1] == "stats":
                await _json(send, service.statistics(*_named(rest[:-1])))
            case ("GET", "models", *rest) if rest and rest[-1] == "config":
                await _json(send, service.config(*_named(rest[:-1])))
            case ("GET", "models", *rest):
                await _json(send, service.model_metadata(*_named(rest)))
            case _:
                raise ProtocolError(404, "the protocol has no such path or method")


def _named(parts: list[str]) -> tuple[str, str]:
    """Model and version, "" for any, of `NAME` or `NAME/versions/VERSION`."""
    match parts:
        case [model]:
            return model, ""
        case [model, "versions", version]:
            return model, version
    raise ProtocolError(404, "a model's path is /v2/models/NAME or /v2/models/NAME/versions/VERSION")


async def _json(send: Send, value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
    await _send(send, status, {"content-type": "application/json"} | (headers or {}), [dump_json(value)])


async def _send(send: Send, status: int, headers: dict[str, str], parts: Iterable[bytes | memoryview]) -> None:
    body = b"".join(parts)
    lines = [(key.encode(), value.encode()) for key, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
