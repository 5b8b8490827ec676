"""Everything that the service can be asked or told beside inference: health, metadata, statistics, repository."""

from __future__ import annotations

from typing import Any

from burnish.serve.http.paths import named
from burnish.serve.http.reply import Send, send_json, send_parts
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.protocol.rest import parse_json
from burnish.serve.service import Service


class Management:
    """Answers what is no inference."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, method: str, parts: list[str], body: bytes | bytearray, send: Send) -> None:
        """Answer a request whose path behind /v2 has these parts. Raises `ProtocolError`."""
        match (method, *parts):
            case ("GET" | "POST", "repository", "models", model, "rollout"):
                await send_json(send, await self._rollout(method, model, body))
            case ("POST", "repository", "models", model, what):
                await self._change(model, what, body)
                await send_json(send, {})
            case _:
                await self._about(method, parts, send)

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
                await send_json(send, service.server_metadata())
            case ("GET", "health", "live"):
                await send_parts(send, 200, {}, [])
            case ("GET", "health", "ready"):
                await send_parts(send, 200 if service.ready else 503, {}, [])
            case ("POST", "repository", "index"):
                await send_json(send, service.index())
            case ("GET", "models", *rest) if rest and rest[-1] == "ready":
                service.engine(*named(rest[:-1]))
                await send_parts(send, 200 if service.ready else 503, {}, [])
            case ("GET", "models", "stats"):
                await send_json(send, service.statistics())
            case ("GET", "models", *rest) if rest and rest[-1] == "stats":
                await send_json(send, service.statistics(*named(rest[:-1])))
            case ("GET", "models", *rest) if rest and rest[-1] == "config":
                await send_json(send, service.config(*named(rest[:-1])))
            case ("GET", "models", *rest):
                await send_json(send, service.model_metadata(*named(rest)))
            case _:
                raise ProtocolError(404, "the protocol has no such path or method")
