"""Bodies from and to the wire: bounded, and compressed as the headers say."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from burnish.serve.protocol.messages import ProtocolError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_LEAST = 512
"""Answers shorter than this are not worth compressing."""


class Gone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(
    receive: Receive, headers: MutableMapping[str, str], most: int, grow: Callable[[int], None] = lambda _size: None
) -> bytes | bytearray:
    """The whole body, decompressed. Raises `ProtocolError` 413 beyond `most` bytes, before or after it."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    body: bytes | bytearray = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part, more = message.get("body", b""), message.get("more_body", False)
        if len(body) + len(part) > most:
            raise _too_large(most)
        grow(len(body) + len(part))
        if more or body:
            body = body if isinstance(body, bytearray) else bytearray()
            body += part
        else:
            body = part
    encoding = headers.get("content-encoding", "identity")
    if encoding == "identity":
        return body
    found = _inflate(body, encoding, most)
    grow(len(found))
    return found


def _too_large(most: int) -> ProtocolError:
    return ProtocolError(413, f"the body is larger than {most} bytes")


def _inflate(body: bytes | bytearray, encoding: str, most: int) -> bytes:
    if encoding not in _WINDOW:
        raise ProtocolError(415, f"unknown content-encoding {encoding[:32]!r}; known: gzip, deflate")
    machine = zlib.decompressobj(_WINDOW[encoding])
    try:
        found = machine.decompress(body, most + 1)
    except zlib.error as error:
        raise ProtocolError(400, f"the body is not {encoding}: {error}") from None
    if len(found) > most:
        raise _too_large(most)
    if not machine.eof:
        raise ProtocolError(400, f"the body breaks off within its {encoding}")
    if machine.unused_data:
        raise ProtocolError(400, f"the body has {len(machine.unused_data)} bytes behind its {encoding}")
    return found


def deflate(parts: Iterable[bytes | memoryview], accepted: str) -> tuple[str, bytes]:
    """The encoding ("" for none) and the body in one piece, compressed when the client accepts it and it pays."""
    whole = b"".join(parts)
    names = [item.split(";")[0].strip() for item in accepted.split(",")]
    encoding = next((name for name in names if name in _WINDOW), "")
    if not encoding or len(whole) < _LEAST:
        return "", whole
    machine = zlib.compressobj(level=1, wbits=_WINDOW[encoding])
    return encoding, machine.compress(whole) + machine.flush()
