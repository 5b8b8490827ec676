"""Answers to ASGI events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from burnish.serve.protocol.rest import dump_json

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def send_json(send: Send, value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
    """Answer with a JSON document."""
    await send_parts(send, status, {"content-type": "application/json"} | (headers or {}), [dump_json(value)])


async def send_parts(send: Send, status: int, headers: dict[str, str], parts: Iterable[bytes | memoryview]) -> None:
    """Answer with a body in parts."""
    body = b"".join(parts)
    lines = [(key.encode(), value.encode()) for key, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
