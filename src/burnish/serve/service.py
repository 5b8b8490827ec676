"""What both front ends, HTTP and gRPC, offer: inference, health, metadata, statistics, repository.

Answers are plain values in the protocol's form; how they travel is the front ends' business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from burnish.backends.bundle import check_inputs
from burnish.core.errors import ArtifactError, BadRequest
from burnish.core.signature import Signature, TensorSpec
from burnish.serve.ask import Reason
from burnish.serve.engine import Engine, Refused, RunFailed
from burnish.serve.protocol.datatypes import datatype_of
from burnish.serve.protocol.messages import Array, InferAnswer, InferRequest, ProtocolError
from burnish.serve.repository import Models

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


Make = Callable[[str, str, Path], Engine]
"""Builds the engine of a model, a version and its folder."""


class Service:
    """The models that are served, by name and version.

    `find` looks for models anew, `make` builds an engine for one. A version is started and warm before it is
    shown, and answers what waits before it ends, so that a change costs no request.
    """

    def __init__(self, find: Callable[[], Models], make: Make) -> None:
        self._find = find
        self._make = make
        self._engines: dict[str, dict[str, Engine]] = {}
        self._states: dict[tuple[str, str], tuple[str, str]] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._ready = False

    async def start(self) -> None:
        """Start every model. Raises `ArtifactError`."""
        for model, versions in self._find().items():
            await self._bring_in(model, versions)
        self._ready = True

    async def stop(self) -> None:
        """Answer what waits, then end."""
        self._ready = False
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
                await self._bring_in(model, versions)
            except ArtifactError as error:
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

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return self._ready

    @property
    def engines(self) -> Mapping[str, Mapping[str, Engine]]:
        """Those that answer, by model and version."""
        return self._engines

    def engine(self, model: str, version: str = "") -> tuple[str, Engine]:
        """The version that answers: the one named, else the highest. Raises `ProtocolError`."""
        versions = self._engines.get(model)
        if not versions:
            raise ProtocolError(404, f"unknown model {model[:64]!r}")
        name = version or max(versions, key=_number)
        if name not in versions:
            raise ProtocolError(404, f"model {model!r} has no version {name[:32]!r}")
        return name, versions[name]

    async def infer(self, model: str, version: str, request: InferRequest) -> InferAnswer:
        """Answer one request. Raises `ProtocolError`."""
        version, engine = self.engine(model, version)
        if not self._ready:
            raise ProtocolError(503, "not ready")
        signature = engine.manifest.signature
        inputs = _checked(request, signature)
        names = _outputs(request, signature)
        level = min(max(request.priority - 1, 0), MAX_LEVEL)
        try:
            outputs = await engine.infer(inputs, timeout_s=request.timeout_s, level=level)
        except Refused as error:
            refusal = error.refusal
            raise ProtocolError(
                _STATUS[refusal.reason], _WORDS[refusal.reason], retry_after=refusal.retry_after
            ) from None
        except RunFailed as error:
            raise ProtocolError(500, str(error)) from None
        return InferAnswer(model, version, {name: outputs[name] for name in names}, request.id)

    def server_metadata(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": "burnish", "version": installed("burnish"), "extensions": list(EXTENSIONS)}

    def model_metadata(self, model: str, version: str = "") -> dict[str, Any]:
        """Inputs and outputs of a model. Raises `ProtocolError`."""
        _, engine = self.engine(model, version)
        signature = engine.manifest.signature
        return {
            "name": model,
            "versions": sorted(self._engines[model], key=_number),
            "platform": f"burnish_{engine.manifest.backend}",
            "inputs": [_described(spec) for spec in signature.inputs],
            "outputs": [_described(spec) for spec in signature.outputs],
        }

    def statistics(self, model: str = "", version: str = "") -> dict[str, Any]:
        """Counts of every model and version, or of those named. Raises `ProtocolError`."""
        if model:
            self.engine(model, version)
        chosen = [
            {"name": name, "version": number} | engine.tally.to_dict()
            for name, versions in sorted(self._engines.items())
            for number, engine in sorted(versions.items())
            if model in ("", name) and version in ("", number)
        ]
        return {"model_stats": chosen}

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """A model's settings, in the names of Triton's model configuration. Raises `ProtocolError`."""
        _, engine = self.engine(model, version)
        signature, limits = engine.manifest.signature, engine.limits
        return {
            "name": model,
            "platform": f"burnish_{engine.manifest.backend}",
            "max_batch_size": limits.max_batch,
            "input": [_configured(spec) for spec in signature.inputs],
            "output": [_configured(spec) for spec in signature.outputs],
            "instance_group": [{"name": model, "kind": "KIND_CPU", "count": limits.instances}],
            "dynamic_batching": {"max_queue_delay_microseconds": round(1000 * (limits.max_wait_ms or 0))},
        }

    def index(self) -> list[dict[str, str]]:
        """Every model version that was met, and its state."""
        return [
            {"name": model, "version": version, "state": state, "reason": reason}
            for (model, version), (state, reason) in sorted(self._states.items(), key=lambda item: _place(item[0]))
        ]

    async def _bring_in(self, model: str, versions: Mapping[str, Path]) -> None:
        """Start those that are new or differ, then put them in place of what answered before."""
        for version, folder in sorted(versions.items(), key=lambda item: _number(item[0])):
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

    def _let_go(self, model: str, version: str) -> None:
        self._drain(self._engines[model].pop(version))
        self._states[model, version] = ("UNAVAILABLE", "unloaded")
        if not self._engines[model]:
            del self._engines[model]

    def _drain(self, engine: Engine) -> None:
        task = asyncio.get_running_loop().create_task(engine.stop())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _checked(request: InferRequest, signature: Signature) -> dict[str, Array]:
    """The inputs in the signature's order and types. Raises `ProtocolError`."""
    for spec in signature.inputs:
        found = request.datatypes.get(spec.name)
        wanted = datatype_of(spec.dtype)
        if found is not None and found != wanted:
            raise ProtocolError(400, f"input {spec.name!r} is {found}, the model takes {wanted}")
    try:
        check_inputs(request.inputs, signature)
    except BadRequest as error:
        raise ProtocolError(400, str(error).replace("\n", "; ")) from None
    inputs = {spec.name: request.inputs[spec.name] for spec in signature.inputs}
    if not len(next(iter(inputs.values()))):
        raise ProtocolError(400, "the request has no rows")
    return inputs


def _outputs(request: InferRequest, signature: Signature) -> list[str]:
    known = [spec.name for spec in signature.outputs]
    for wanted in request.outputs:
        if wanted.name not in known:
            raise ProtocolError(400, f"unknown output {wanted.name[:64]!r}; known: {', '.join(known)}")
    return [wanted.name for wanted in request.outputs] or known


def _described(spec: TensorSpec) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": datatype_of(np.dtype(spec.dtype)), "shape": shape}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    dims = [size if isinstance(size, int) else -1 for size in spec.shape[1:]]
    return {"name": spec.name, "data_type": f"TYPE_{datatype_of(spec.dtype)}", "dims": dims}


def _place(found: tuple[str, str]) -> tuple[str, tuple[int, str]]:
    return found[0], _number(found[1])


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (-1, version)
