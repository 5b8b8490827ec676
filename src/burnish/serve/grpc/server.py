"""The gRPC form of the protocol. grpcio is imported here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np

from burnish.core.errors import RecipeError
from burnish.serve.grpc.schema import MESSAGES, SERVICE, decode
from burnish.serve.keys import Keys
from burnish.serve.protocol.datatypes import (
    MAX_TEXT,
    check_shape,
    check_text,
    datatype_of,
    from_bytes,
    numpy_type,
    strings,
    to_bytes,
    whole_numbers,
)
from burnish.serve.protocol.messages import Array, InferAnswer, InferRequest, ProtocolError, Wanted
from burnish.serve.protocol.rest import MAX_PRIORITY, MAX_TENSORS
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
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
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
    service: Service, address: str, *, max_body: int, keys: Keys, tls: Tls | None = None, most: int = 4096
) -> tuple[Any, int]:
    """A server that listens, and its port. Stop it with `await server.stop(seconds)`.

    `most`: connections. Raises `RecipeError` when the port is taken.
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
    calls = _Calls(service, keys)
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
    handlers: dict[str, Any] = {name: _unary(name, call, keys) for name, call in unary.items()}
    handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
        calls.stream,
        request_deserializer=_reader("ModelInferRequest"),
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


def _unary(name: str, call: Call, keys: Keys) -> Any:
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
        request_deserializer=_reader(f"{name}Request"),
        response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
    )


class _Calls:
    def __init__(self, service: Service, keys: Keys) -> None:
        self._service = service
        self._keys = keys

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
        found = self._service.model_metadata(request.name, request.version)
        return MESSAGES["ModelMetadataResponse"](**_without_labels(found))

    async def statistics(self, request: Any, _context: Any) -> Any:
        return MESSAGES["ModelStatisticsResponse"](**self._service.statistics(request.name, request.version))

    async def index(self, request: Any, _context: Any) -> Any:
        found = self._service.index()
        models = [_without_labels(item) for item in found if item["state"] == "READY" or not request.ready]
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


def _reader(name: str) -> Callable[[bytes], Any]:
    """Reads a message; what is none becomes the error itself, since gRPC would answer it in a form of its own."""

    def read(body: bytes) -> Any:
        try:
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


def _without_labels(found: dict[str, Any]) -> dict[str, Any]:
    """The fields that the messages have."""
    return {key: value for key, value in found.items() if key != "labels"}


def _check_parameters(request: Any) -> None:
    if set(request.parameters) - {"unload_dependents"}:
        raise ProtocolError(400, "a model's settings and files cannot be given with a request")


def parse_request(message: Any) -> InferRequest:
    """A ModelInferRequest as a request. Raises `ProtocolError`."""
    if len(message.inputs) > MAX_TENSORS or len(message.outputs) > MAX_TENSORS:
        raise ProtocolError(400, f"more than {MAX_TENSORS} inputs or outputs")
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise ProtocolError(400, f"{len(raw)} raw contents for {len(message.inputs)} inputs")
    inputs: dict[str, Array] = {}
    datatypes: dict[str, str] = {}
    for number, tensor in enumerate(message.inputs):
        check_text("the name of an input", tensor.name)
        if tensor.name in inputs:
            raise ProtocolError(400, f"input {tensor.name!r} is given twice")
        shape = check_shape(tensor.name, list(tensor.shape))
        if raw:
            found = from_bytes(tensor.name, tensor.datatype, shape, memoryview(raw[number]))
        else:
            found = _typed(tensor, shape)
        inputs[tensor.name], datatypes[tensor.name] = found, tensor.datatype
    if not inputs:
        raise ProtocolError(400, "the request has no inputs")
    parameters = {
        key: getattr(value, value.WhichOneof("choice") or "bool_param") for key, value in message.parameters.items()
    }
    return InferRequest(
        inputs=inputs,
        datatypes=datatypes,
        id=check_text("the id", message.id),
        outputs=tuple(Wanted(output.name) for output in message.outputs),
        timeout_s=_whole(parameters, "timeout", 10**12) / 1e6,
        priority=_whole(parameters, "priority", MAX_PRIORITY),
        parameters=parameters,
    )


def render_answer(answer: InferAnswer) -> Any:
    """An answer as a ModelInferResponse, tensors raw."""
    response = MESSAGES["ModelInferResponse"](model_name=answer.model, model_version=answer.version, id=answer.id)
    for name, array in answer.outputs.items():
        response.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        response.raw_output_contents.append(bytes(to_bytes(array)))
    return response


def _typed(tensor: Any, shape: tuple[int, ...]) -> Array:
    dtype = numpy_type(tensor.datatype)
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise ProtocolError(400, f"input {tensor.name!r}: {tensor.datatype} travels raw only")
    values = getattr(tensor.contents, field)
    if tensor.datatype == "BYTES":
        return strings(tensor.name, values, shape)
    count = math.prod(shape)
    if len(values) != count:
        raise ProtocolError(400, f"input {tensor.name!r}: {len(values)} values where its shape takes {count}")
    if dtype.kind in "iu":
        return whole_numbers(tensor.name, tensor.datatype, values).reshape(shape)
    return np.fromiter(values, dtype, count).reshape(shape)


def _whole(parameters: dict[str, Any], key: str, most: int) -> int:
    value = parameters.get(key, 0)
    if type(value) is not int or not 0 <= value <= most:
        raise ProtocolError(400, f"{key} must be a whole number from 0 to {most}")
    return value
