"""The calls of the protocol, from message to message. What cannot be answered is a `ProtocolError`.

Knows messages and headers, and nothing of how they travel.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from burnish.serve.grpc.messages import parse_request, render_answer
from burnish.serve.grpc.schema import MESSAGES
from burnish.serve.protocol.datatypes import MAX_TEXT
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.room import Room
from burnish.serve.service import Service

Headers = Mapping[str, str]
Call = Callable[[Any, Headers], Awaitable[Any]]

_LOG = logging.getLogger(__name__)


class Calls:
    """The calls of one service; `room` is what all messages share."""

    def __init__(self, service: Service, room: Room) -> None:
        self._service = service
        self._room = room

    @property
    def unary(self) -> dict[str, Call]:
        """Calls of one message and one answer, by name."""
        return {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelStatistics": self._statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
            "ModelInfer": self.infer,
        }

    async def infer(self, message: Any, headers: Headers) -> Any:
        """Answer one request. Raises `ProtocolError`."""
        with self._room.hold("grpc") as grow:
            grow(message.ByteSize())
            request = parse_request(message)
            return render_answer(await self._service.infer(message.model_name, message.model_version, request, headers))

    async def stream(self, messages: AsyncIterator[Any], headers: Headers) -> AsyncIterator[Any]:
        """Answer one after the other; a message that cannot be answered gets its error and the next one its turn."""
        async for message in messages:
            try:
                answer = await self.infer(whole(message), headers)
            except ProtocolError as error:
                yield _lost(message, error.what)
            except Exception:
                _LOG.exception("an error that nobody expected")
                yield _lost(message, "internal error")
            else:
                yield MESSAGES["ModelStreamInferResponse"](infer_response=answer)

    async def _live(self, _message: Any, _headers: Headers) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _ready(self, _message: Any, _headers: Headers) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._service.ready)

    async def _model_ready(self, message: Any, _headers: Headers) -> Any:
        self._service.engine(message.name, message.version)
        return MESSAGES["ModelReadyResponse"](ready=self._service.ready)

    async def _server_metadata(self, _message: Any, _headers: Headers) -> Any:
        return MESSAGES["ServerMetadataResponse"](**self._service.server_metadata())

    async def _model_metadata(self, message: Any, _headers: Headers) -> Any:
        return MESSAGES["ModelMetadataResponse"](**self._service.model_metadata(message.name, message.version))

    async def _statistics(self, message: Any, _headers: Headers) -> Any:
        return MESSAGES["ModelStatisticsResponse"](**self._service.statistics(message.name, message.version))

    async def _index(self, message: Any, _headers: Headers) -> Any:
        found = self._service.index()
        models = [item for item in found if item["state"] == "READY" or not message.ready]
        return MESSAGES["RepositoryIndexResponse"](models=models)

    async def _load(self, message: Any, _headers: Headers) -> Any:
        _check_parameters(message)
        await self._service.load(message.model_name)
        return MESSAGES["RepositoryModelLoadResponse"]()

    async def _unload(self, message: Any, _headers: Headers) -> Any:
        _check_parameters(message)
        await self._service.unload(message.model_name)
        return MESSAGES["RepositoryModelUnloadResponse"]()


def whole(found: Any) -> Any:
    """The message that was read. Raises the `ProtocolError` that came of reading it instead."""
    if isinstance(found, ProtocolError):
        raise found
    return found


def _lost(message: Any, what: str) -> Any:
    lost = MESSAGES["ModelInferResponse"]()
    if not isinstance(message, ProtocolError):
        lost.id = message.id[:MAX_TEXT]
    return MESSAGES["ModelStreamInferResponse"](error_message=what, infer_response=lost)


def _check_parameters(message: Any) -> None:
    if set(message.parameters) - {"unload_dependents"}:
        raise ProtocolError(400, "a model's settings and files cannot be given with a request")
