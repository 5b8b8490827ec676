"""The gRPC form of the protocol. grpcio is imported here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from burnish.core.errors import RecipeError
from burnish.serve.grpc.messages import parse_request, render_answer
from burnish.serve.grpc.schema import MESSAGES, SERVICE, decode
from burnish.serve.keys import Keys
from burnish.serve.protocol.datatypes import MAX_TEXT
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

Call = Callable[[Any, Any], Awaitable[Any]]


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
    calls = _Calls(service, keys, room)
    unary: dict[str, Call] = {
        "ServerLive": calls.live,
        "ServerReady": calls.ready,
        "ModelReady": calls.model_ready,
        "ServerMetadata": calls.server_metadata,
        "ModelMetadata": calls.model_metadata,
        "ModelStatistics": calls.statistics,
        "RepositoryIndex": calls.index,
        "RepositoryModelLoad": calls.load,
        "RepositoryModelUnload": calls.unload,
        "ModelInfer": calls.infer,
    }
    handlers: dict[str, Any] = {name: _unary(name, call, keys, room) for name, call in unary.items()}
    handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
        calls.stream,
        request_deserializer=_reader("ModelInferRequest", room),
        response_serializer=MESSAGES["ModelStreamInferResponse"].SerializeToString,
    )
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
    async def answer(request: Any, context: Any) -> Any:
        try:
            if name not in _OPEN:
                _check_key(keys, context)
            return await call(_whole_message(request), context)
        except ProtocolError as error:
            if error.status == 429:
                context.set_trailing_metadata((("retry-after-ms", str(round(1000 * error.retry_after))),))
            await context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), error.what)
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


class _Calls:
    def __init__(self, service: Service, keys: Keys, room: Room) -> None:
        self._service = service
        self._keys = keys
        self._room = room

    async def live(self, _request: Any, _context: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def ready(self, _request: Any, _context: Any) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._service.ready)

    async def model_ready(self, request: Any, _context: Any) -> Any:
        self._service.engine(request.name, request.version)
        return MESSAGES["ModelReadyResponse"](ready=self._service.ready)

    async def server_metadata(self, _request: Any, _context: Any) -> Any:
        return MESSAGES["ServerMetadataResponse"](**self._service.server_metadata())

    async def model_metadata(self, request: Any, _context: Any) -> Any:
        return MESSAGES["ModelMetadataResponse"](**self._service.model_metadata(request.name, request.version))

    async def statistics(self, request: Any, _context: Any) -> Any:
        return MESSAGES["ModelStatisticsResponse"](**self._service.statistics(request.name, request.version))

    async def index(self, request: Any, _context: Any) -> Any:
        found = self._service.index()
        models = [item for item in found if item["state"] == "READY" or not request.ready]
        return MESSAGES["RepositoryIndexResponse"](models=models)

    async def load(self, request: Any, _context: Any) -> Any:
        _check_parameters(request)
        await self._service.load(request.model_name)
        return MESSAGES["RepositoryModelLoadResponse"]()

    async def unload(self, request: Any, _context: Any) -> Any:
        _check_parameters(request)
        await self._service.unload(request.model_name)
        return MESSAGES["RepositoryModelUnloadResponse"]()

    async def infer(self, message: Any, context: Any) -> Any:
        with self._room.hold("grpc") as grow:
            grow(message.ByteSize())
            request, headers = parse_request(message), _headers(context)
            return render_answer(await self._service.infer(message.model_name, message.model_version, request, headers))

    async def stream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        try:
            _check_key(self._keys, context)
        except ProtocolError as error:
            await context.abort(_CODES[error.status], error.what)
        async for message in requests:
            try:
                answer = await self.infer(_whole_message(message), context)
            except ProtocolError as error:
                yield _lost(message, error.what)
            except Exception:
                _LOG.exception("an error that nobody expected")
                yield _lost(message, "internal error")
            else:
                yield MESSAGES["ModelStreamInferResponse"](infer_response=answer)


def _reader(name: str, room: Room) -> Callable[[bytes], Any]:
    """Reads a message; what is none becomes the error itself, since gRPC would answer it in a form of its own."""

    def read(body: bytes) -> Any:
        try:
            room.check("grpc", len(body))
            return decode(name, body)
        except ProtocolError as error:
            return error

    return read


def _whole_message(found: Any) -> Any:
    if isinstance(found, ProtocolError):
        raise found
    return found


def _lost(message: Any, what: str) -> Any:
    lost = MESSAGES["ModelInferResponse"]()
    if not isinstance(message, ProtocolError):
        lost.id = message.id[:MAX_TEXT]
    return MESSAGES["ModelStreamInferResponse"](error_message=what, infer_response=lost)


def _check_key(keys: Keys, context: Any) -> None:
    if keys.accepted:
        keys.check(_headers(context))


def _headers(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _check_parameters(request: Any) -> None:
    if set(request.parameters) - {"unload_dependents"}:
        raise ProtocolError(400, "a model's settings and files cannot be given with a request")
