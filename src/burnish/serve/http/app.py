"""The REST form of the protocol as one ASGI application, without a framework in the hot path."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from burnish.serve.http.body import Gone, Receive, read_body
from burnish.serve.http.inference import Inference
from burnish.serve.http.management import Management
from burnish.serve.http.reply import Scope, Send, send_json, send_parts
from burnish.serve.keys import Keys
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.room import Room
from burnish.serve.service import Service

Page = Callable[[], tuple[str, bytes]]
"""Makes a page: content type and body."""

_SMALL = 64 << 10
"""Bytes of a body that is no inference request."""

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
        self._keys = keys or Keys()
        self._inference = Inference(service, max_body, room)
        self._management = Management(service)
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
            await send_json(send, {"error": error.what}, status=error.status, headers=more)
        except asyncio.CancelledError:
            raise
        except Exception:
            _LOG.exception("an error that nobody expected")
            await send_json(send, {"error": "internal error"}, status=500)

    async def _answer(self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        parts = path.strip("/").split("/")
        if parts[:2] != ["v2", "health"] and path not in self._pages:
            self._keys.check(headers)
        if method == "POST" and parts[:2] == ["v2", "models"] and parts[-1] == "infer":
            await self._inference.answer(scope, parts, headers, receive, send)
        elif method in ("GET", "HEAD") and path in self._pages:
            kind, page = self._pages[path]()
            await send_parts(send, 200, {"content-type": kind}, [page])
        elif parts[:1] == ["v2"]:
            await self._management.answer(method, parts[1:], await read_body(receive, headers, _SMALL), send)
        else:
            raise ProtocolError(404, "no such path; the protocol begins at /v2")
