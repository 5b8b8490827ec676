"""The gRPC form of the protocol. grpcio is imported here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from burnish.core.errors import RecipeError
from burnish.serve.grpc.calls import Call, Calls, Headers, whole
from burnish.serve.grpc.schema import MESSAGES, SERVICE, decode
from burnish.serve.keys import Keys
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.room import Room
from burnish.serve.service import Service
from burnish.serve.tls import Tls

_LOG = logging.getLogger(__name__)

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_OPEN = ("ServerLive", "ServerReady")
"""Calls that need no key."""

_BOUNDS = (
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.absolute_max_metadata_size", 32 << 10),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
"""What a client gets: calls at once on a connection, bytes of metadata, time to begin and to show a sign of life."""


async def start_server(
    service: Service, address: str, *, max_body: int, room: Room, keys: Keys, tls: Tls | None = None, most: int = 4096
) -> tuple[Any, int]:
    """A server that listens, and its port. Stop it with `await server.stop(seconds)`.

    `most`: connections; `room` is what all messages share. Raises `RecipeError` when the port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.max_allowed_incoming_connections", most),
            *_BOUNDS,
        ]
    )
    calls = Calls(service, room)
    handlers = {name: _unary(name, call, keys, room) for name, call in calls.unary.items()}
    handlers["ModelStreamInfer"] = _stream(calls, keys, room)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, grpc.ssl_server_credentials([(tls.key_pem, tls.certificate_pem)]))
    except RuntimeError as error:
        raise RecipeError(
            "cannot listen there", where=address, why=str(error), help="give another --grpc-port"
        ) from None
    await server.start()
    return server, port


def _unary(name: str, call: Call, keys: Keys, room: Room) -> Any:
    async def answer(message: Any, context: Any) -> Any:
        try:
            headers = _headers(context)
            if name not in _OPEN:
                keys.check(headers)
            return await call(whole(message), headers)
        except ProtocolError as error:
            await _abort(context, error)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception:
            _LOG.exception("an error that nobody expected")
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=_reader(f"{name}Request", room),
        response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
    )


def _stream(calls: Calls, keys: Keys, room: Room) -> Any:
    async def answer(messages: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        headers = _headers(context)
        try:
            keys.check(headers)
        except ProtocolError as error:
            await _abort(context, error)
        async for found in calls.stream(messages, headers):
            yield found

    return grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=_reader("ModelInferRequest", room),
        response_serializer=MESSAGES["ModelStreamInferResponse"].SerializeToString,
    )


async def _abort(context: Any, error: ProtocolError) -> None:
    """End the call with the error in gRPC's form; raises."""
    if error.status == 429:
        context.set_trailing_metadata((("retry-after-ms", str(round(1000 * error.retry_after))),))
    await context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), error.what)


def _headers(context: Any) -> Headers:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _reader(name: str, room: Room) -> Callable[[bytes], Any]:
    """Reads a message; what is none becomes the error itself, since gRPC would answer it in a form of its own."""

    def read(body: bytes) -> Any:
        try:
            room.check("grpc", len(body))
            return decode(name, body)
        except ProtocolError as error:
            return error

    return read
