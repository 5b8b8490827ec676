"""What both front ends, HTTP and gRPC, offer: inference, health, metadata, statistics, repository.

Answers are plain values in the protocol's form; how they travel is the front ends' business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from typing import Any

from burnish.serve.about import config, metadata
from burnish.serve.checks import checked, outputs
from burnish.serve.engine import Engine
from burnish.serve.lifecycle import Lifecycle, unknown_model
from burnish.serve.pending import Refused, RunFailed, Stopped
from burnish.serve.protocol.messages import InferAnswer, InferRequest, ProtocolError
from burnish.serve.refusals import refused
from burnish.serve.repository import Models
from burnish.serve.rollout.rollouts import Make, Rollouts
from burnish.serve.rollout.router import number
from burnish.serve.rollout.shadow import Sample
from burnish.serve.rollout.traffic import Traffic

EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
MAX_LEVEL = 7


class Service:
    """The models that are served, by name and version.

    `find` looks for models anew, `make` builds an engine for one.
    """

    def __init__(self, find: Callable[[], Models], make: Make, rollouts: Rollouts | None = None) -> None:
        self._rollouts = rollouts or Rollouts(make)
        self._lifecycle = Lifecycle(find, make, self._rollouts)

    async def start(self) -> None:
        """Start every model. Raises `ArtifactError`, `RecipeError`."""
        await self._lifecycle.start()

    async def stop(self) -> None:
        """Answer what waits, then end."""
        await self._lifecycle.stop()

    async def load(self, model: str) -> None:
        """See `Lifecycle.load`."""
        await self._lifecycle.load(model)

    async def unload(self, model: str) -> None:
        """See `Lifecycle.unload`."""
        await self._lifecycle.unload(model)

    def rollout(self, model: str) -> dict[str, Any]:
        """How requests are spread over a model's versions, and what its gate knows. Raises `ProtocolError`."""
        return self._traffic(model).to_dict()

    async def set_rollout(self, model: str, settings: dict[str, Any]) -> None:
        """See `Lifecycle.set_rollout`."""
        await self._lifecycle.set_rollout(model, settings)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return self._lifecycle.ready

    @property
    def engines(self) -> Mapping[str, Mapping[str, Engine]]:
        """Those that answer, by model and version."""
        return self._lifecycle.engines

    def engine(self, model: str, version: str = "") -> tuple[str, Engine]:
        """The version of that number or label, else the stable one. Raises `ProtocolError`."""
        name = self._traffic(model).router.named(version)
        if name is None:
            raise _no_version(model, version)
        return name, self.engines[model][name]

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
        if not self.ready:
            raise ProtocolError(503, "not ready")
        traffic, given = self._traffic(model), headers or {}
        key = traffic.router.key(given, request.id)
        route = traffic.router.choose(version, key, traffic.router.told(given, request.parameters))
        if route is None:
            raise _no_version(model, version)
        engine = self.engines[model][route.version]
        inputs = checked(request, engine.manifest.signature)
        names = outputs(request, engine.manifest.signature)
        level = min(max(request.priority - 1, 0), MAX_LEVEL)
        traffic.routed(route)
        began = time.monotonic()
        try:
            found = await engine.infer(inputs, timeout_s=request.timeout_s, level=level)
        except Refused as error:
            traffic.refused(route)
            raise refused(error.refusal) from None
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
        return metadata(model, engine, self.engines[model]) | self._labels(model)

    def statistics(self, model: str = "", version: str = "") -> dict[str, Any]:
        """Counts of every model and version, or of those named. Raises `ProtocolError`."""
        if model:
            name, _ = self.engine(model, version)
            version = name if version else ""
        chosen = [
            {"name": name, "version": number} | engine.statistics.to_dict()
            for name, versions in sorted(self.engines.items())
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
                self._lifecycle.states.items(), key=lambda item: (item[0][0], number(item[0][1]))
            )
        ]

    def _traffic(self, model: str) -> Traffic:
        traffic = self._rollouts.of(model)
        if traffic is None:
            raise unknown_model(model)
        return traffic

    def _labels(self, model: str, version: str = "") -> dict[str, Any]:
        """Labels and versions of a model, or the labels of one version; nothing where there are none."""
        traffic = self._rollouts.of(model)
        labels = traffic.router.labels if traffic else {}
        if version:
            own = sorted(label for label, named in labels.items() if named == version)
            return {"labels": own} if own else {}
        return {"labels": dict(labels)} if labels else {}


def _no_version(model: str, version: str) -> ProtocolError:
    return ProtocolError(404, f"model {model!r} has no version {version[:32]!r}")
