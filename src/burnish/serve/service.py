"""What both front ends, HTTP and gRPC, offer: inference, health, metadata, statistics, repository.

Answers are plain values in the protocol's form; how they travel is the front ends' business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from burnish.core.errors import ArtifactError, RecipeError
from burnish.serve.about import config, metadata
from burnish.serve.ask import Reason
from burnish.serve.checks import checked, outputs
from burnish.serve.engine import Engine
from burnish.serve.pending import Refused, RunFailed, Stopped
from burnish.serve.protocol.messages import InferAnswer, InferRequest, ProtocolError
from burnish.serve.repository import Models
from burnish.serve.rollout.rollouts import Make, Rollouts
from burnish.serve.rollout.router import number
from burnish.serve.rollout.settings import Rollout
from burnish.serve.rollout.shadow import Sample
from burnish.serve.rollout.traffic import Traffic

EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
MAX_LEVEL = 7

_STATUS = {
    Reason.LATE: 429,
    Reason.QUEUE_FULL: 429,
    Reason.EXPIRED: 504,
    Reason.TOO_LARGE: 400,
    Reason.CANCELLED: 499,
}
_WORDS = {
    Reason.LATE: "the request would be answered too late",
    Reason.QUEUE_FULL: "too many requests are waiting",
    Reason.EXPIRED: "the request's time is up",
    Reason.TOO_LARGE: "the request has more rows than a batch may have",
    Reason.CANCELLED: "the client is gone",
}


class Service:
    """The models that are served, by name and version.

    `find` looks for models anew, `make` builds an engine for one. A version is started and warm before it is
    shown, and answers what waits before it ends, so that a change costs no request.
    """

    def __init__(self, find: Callable[[], Models], make: Make, rollouts: Rollouts | None = None) -> None:
        self._find = find
        self._make = make
        self._rollouts = rollouts or Rollouts(make)
        self._engines: dict[str, dict[str, Engine]] = {}
        self._states: dict[tuple[str, str], tuple[str, str]] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._ready = False

    async def start(self) -> None:
        """Start every model. Raises `ArtifactError`, `RecipeError`."""
        try:
            for model, versions in self._find().items():
                await self._bring_in(model, versions)
                await self._arrange(model, versions)
        except BaseException:
            await self.stop()
            raise
        self._ready = True

    async def stop(self) -> None:
        """Answer what waits, then end."""
        self._ready = False
        await self._rollouts.stop()
        engines = [engine for versions in self._engines.values() for engine in versions.values()]
        await asyncio.gather(*(engine.stop() for engine in engines), *self._leaving)

    async def load(self, model: str) -> None:
        """Bring a model to what lies in its folder now: new versions in, changed ones anew, others out.

        Raises `ProtocolError` when there is no such model or a version does not start; what answered before
        goes on then.
        """
        async with self._changing.setdefault(model, asyncio.Lock()):
            try:
                versions = self._find().get(model)
                if not versions:
                    raise ProtocolError(404, f"no model {model[:64]!r} in the repository")
                try:
                    await self._bring_in(model, versions)
                finally:
                    await self._arrange(model, versions)
            except (ArtifactError, RecipeError) as error:
                raise ProtocolError(400, str(error).replace("\n", "; ")) from None
            finally:
                if model not in self._engines:
                    self._changing.pop(model, None)
            for version in self._engines[model].keys() - versions.keys():
                self._let_go(model, version)

    async def unload(self, model: str) -> None:
        """Stop answering for a model; requests that it has already are answered. Raises `ProtocolError`."""
        async with self._changing.setdefault(model, asyncio.Lock()):
            if model not in self._engines:
                self._changing.pop(model, None)
                raise ProtocolError(404, f"unknown model {model[:64]!r}")
            for version in list(self._engines[model]):
                self._let_go(model, version)

    def rollout(self, model: str) -> dict[str, Any]:
        """How requests are spread over a model's versions, and what its gate knows. Raises `ProtocolError`."""
        return self._traffic(model).to_dict()

    async def set_rollout(self, model: str, settings: dict[str, Any]) -> None:
        """Put other settings into force, until the file says something new. Raises `ProtocolError`."""
        async with self._changing.setdefault(model, asyncio.Lock()):
            try:
                self._traffic(model)
                await self._rollouts.send(model, self._engines[model], Rollout.parse(settings, where="rollout"))
            except (ArtifactError, RecipeError) as error:
                raise ProtocolError(400, str(error).replace("\n", "; ")) from None
            finally:
                if model not in self._engines:
                    self._changing.pop(model, None)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return self._ready

    @property
    def engines(self) -> Mapping[str, Mapping[str, Engine]]:
        """Those that answer, by model and version."""
        return self._engines

    def engine(self, model: str, version: str = "") -> tuple[str, Engine]:
        """The version of that number or label, else the stable one. Raises `ProtocolError`."""
        name = self._traffic(model).router.named(version)
        if name is None:
            raise _no_version(model, version)
        return name, self._engines[model][name]

    async def infer(
        self, model: str, version: str, request: InferRequest, headers: Mapping[str, str] | None = None
    ) -> InferAnswer:
        """Answer one request. Raises `ProtocolError`.

        One that waits in a version which ends without its workers is put to the version that answers now.
        """
        try:
            return await self._infer(model, version, request, headers)
        except Stopped:
            pass
        try:
            return await self._infer(model, version, request, headers)
        except Stopped as error:
            raise ProtocolError(503, str(error)) from None

    async def _infer(
        self, model: str, version: str, request: InferRequest, headers: Mapping[str, str] | None
    ) -> InferAnswer:
        if not self._ready:
            raise ProtocolError(503, "not ready")
        traffic, given = self._traffic(model), headers or {}
        key = traffic.router.key(given, request.id)
        route = traffic.router.choose(version, key, traffic.router.told(given, request.parameters))
        if route is None:
            raise _no_version(model, version)
        engine = self._engines[model][route.version]
        inputs = checked(request, engine.manifest.signature)
        names = outputs(request, engine.manifest.signature)
        level = min(max(request.priority - 1, 0), MAX_LEVEL)
        traffic.routed(route)
        began = time.monotonic()
        try:
            found = await engine.infer(inputs, timeout_s=request.timeout_s, level=level)
        except Refused as error:
            traffic.refused(route)
            refusal = error.refusal
            raise ProtocolError(
                _STATUS[refusal.reason], _WORDS[refusal.reason], retry_after=refusal.retry_after
            ) from None
        except RunFailed as error:
            traffic.answered(route, key, Sample(inputs, None, time.monotonic() - began))
            raise ProtocolError(500, str(error)) from None
        traffic.answered(route, key, Sample(inputs, found, time.monotonic() - began))
        carried = traffic.router.carried.get(route.version, {})
        return InferAnswer(model, route.version, {name: found[name] for name in names}, request.id, carried)

    def server_metadata(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": "burnish", "version": installed("burnish"), "extensions": list(EXTENSIONS)}

    def model_metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """Inputs and outputs of a model. Raises `ProtocolError`."""
        _, engine = self.engine(model, version)
        return metadata(model, engine, self._engines[model]) | self._labels(model)

    def statistics(self, model: str = "", version: str = "") -> dict[str, Any]:
        """Counts of every model and version, or of those named. Raises `ProtocolError`."""
        if model:
            name, _ = self.engine(model, version)
            version = name if version else ""
        chosen = [
            {"name": name, "version": number} | engine.tally.to_dict()
            for name, versions in sorted(self._engines.items())
            for number, engine in sorted(versions.items())
            if model in ("", name) and version in ("", number)
        ]
        return {"model_stats": chosen}

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """A model's settings, in the names of Triton's model configuration. Raises `ProtocolError`."""
        return config(model, self.engine(model, version)[1])

    def index(self) -> list[dict[str, Any]]:
        """Every model version that was met, and its state."""
        return [
            {"name": model, "version": version, "state": state, "reason": reason} | self._labels(model, version)
            for (model, version), (state, reason) in sorted(
                self._states.items(), key=lambda item: (item[0][0], number(item[0][1]))
            )
        ]

    def _traffic(self, model: str) -> Traffic:
        traffic = self._rollouts.of(model)
        if traffic is None:
            raise ProtocolError(404, f"unknown model {model[:64]!r}")
        return traffic

    def _labels(self, model: str, version: str = "") -> dict[str, Any]:
        """Labels and versions of a model, or the labels of one version; nothing where there are none."""
        traffic = self._rollouts.of(model)
        labels = traffic.router.labels if traffic else {}
        if version:
            own = sorted(label for label, named in labels.items() if named == version)
            return {"labels": own} if own else {}
        return {"labels": dict(labels)} if labels else {}

    async def _bring_in(self, model: str, versions: Mapping[str, Path]) -> None:
        """Start those that are new or differ, then put them in place of what answered before."""
        for version, folder in sorted(versions.items(), key=lambda item: number(item[0])):
            before = self._engines.get(model, {}).get(version)
            engine = self._make(model, version, folder)
            if before is not None and before.manifest.content_hash == engine.manifest.content_hash:
                continue
            if before is None:
                self._states[model, version] = ("LOADING", "")
            try:
                await engine.start()
            except ArtifactError as error:
                if before is None:
                    self._states[model, version] = ("UNAVAILABLE", error.what)
                raise
            self._engines.setdefault(model, {})[version] = engine
            self._states[model, version] = ("READY", "")
            if before is not None:
                self._drain(before)

    async def _arrange(self, model: str, versions: Collection[str]) -> None:
        """Spread requests over those of these versions that are there."""
        engines = {version: engine for version, engine in self._engines.get(model, {}).items() if version in versions}
        if engines:
            await self._rollouts.refresh(model, engines)

    def _let_go(self, model: str, version: str) -> None:
        self._drain(self._engines[model].pop(version))
        self._states[model, version] = ("UNAVAILABLE", "unloaded")
        if not self._engines[model]:
            del self._engines[model]
            self._rollouts.drop(model)

    def _drain(self, engine: Engine) -> None:
        task = asyncio.get_running_loop().create_task(engine.stop())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _no_version(model: str, version: str) -> ProtocolError:
    return ProtocolError(404, f"model {model!r} has no version {version[:32]!r}")
