"""Model versions come and go: started and warm before they are shown, drained before they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from burnish.core.errors import ArtifactError, RecipeError
from burnish.serve.engine import Engine
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.repository import Models
from burnish.serve.rollout.rollouts import Make, Rollouts
from burnish.serve.rollout.router import number
from burnish.serve.rollout.settings import Rollout


class Lifecycle:
    """The engines of all versions, and the state of every version that was met.

    `find` looks for models anew, `make` builds an engine for one. One model is changed by one caller at a time, and a
    change costs no request.
    """

    def __init__(self, find: Callable[[], Models], make: Make, rollouts: Rollouts) -> None:
        self.engines: dict[str, dict[str, Engine]] = {}
        self.states: dict[tuple[str, str], tuple[str, str]] = {}
        self.ready = False
        self._find = find
        self._make = make
        self._rollouts = rollouts
        self._changing: dict[str, asyncio.Lock] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every model. Raises `ArtifactError`, `RecipeError`."""
        try:
            for model, versions in self._find().items():
                await self._bring_in(model, versions)
                await self._arrange(model, versions)
        except BaseException:
            await self.stop()
            raise
        self.ready = True

    async def stop(self) -> None:
        """Answer what waits, then end."""
        self.ready = False
        await self._rollouts.stop()
        engines = [engine for versions in self.engines.values() for engine in versions.values()]
        await asyncio.gather(*(engine.stop() for engine in engines), *self._leaving)

    async def load(self, model: str) -> None:
        """Bring a model to what lies in its folder now: new versions in, changed ones anew, others out.

        Raises `ProtocolError` when there is no such model or a version does not start; what answered before
        goes on then.
        """
        async with self._change(model):
            versions = self._find().get(model)
            if not versions:
                raise ProtocolError(404, f"no model {model[:64]!r} in the repository")
            try:
                await self._bring_in(model, versions)
            finally:
                await self._arrange(model, versions)
            for version in self.engines[model].keys() - versions.keys():
                self._let_go(model, version)

    async def unload(self, model: str) -> None:
        """Stop answering for a model; requests that it has already are answered. Raises `ProtocolError`."""
        async with self._change(model):
            for version in list(self._served(model)):
                self._let_go(model, version)

    async def set_rollout(self, model: str, settings: dict[str, Any]) -> None:
        """Put other settings into force, until the file says something new. Raises `ProtocolError`."""
        async with self._change(model):
            await self._rollouts.send(model, self._served(model), Rollout.parse(settings, where="rollout"))

    @asynccontextmanager
    async def _change(self, model: str) -> AsyncIterator[None]:
        """Alone with a model. What does not fit becomes a `ProtocolError`; a name that is not served leaves nothing."""
        async with self._changing.setdefault(model, asyncio.Lock()):
            met = model in self.engines
            try:
                yield
            except (ArtifactError, RecipeError) as error:
                raise ProtocolError(400, str(error).replace("\n", "; ")) from None
            finally:
                if not met and model not in self.engines:
                    self._changing.pop(model, None)

    def _served(self, model: str) -> dict[str, Engine]:
        if model not in self.engines:
            raise unknown_model(model)
        return self.engines[model]

    async def _bring_in(self, model: str, versions: Mapping[str, Path]) -> None:
        """Start those that are new or differ, then put them in place of what answered before."""
        for version, folder in sorted(versions.items(), key=lambda item: number(item[0])):
            before = self.engines.get(model, {}).get(version)
            engine = self._make(model, version, folder)
            if before is not None and before.manifest.content_hash == engine.manifest.content_hash:
                continue
            if before is None:
                self.states[model, version] = ("LOADING", "")
            try:
                await engine.start()
            except ArtifactError as error:
                if before is None:
                    self.states[model, version] = ("UNAVAILABLE", error.what)
                raise
            self.engines.setdefault(model, {})[version] = engine
            self.states[model, version] = ("READY", "")
            if before is not None:
                self._drain(before)

    async def _arrange(self, model: str, versions: Collection[str]) -> None:
        """Spread requests over those of these versions that are there."""
        engines = {version: engine for version, engine in self.engines.get(model, {}).items() if version in versions}
        if engines:
            await self._rollouts.refresh(model, engines)

    def _let_go(self, model: str, version: str) -> None:
        self._drain(self.engines[model].pop(version))
        self.states[model, version] = ("UNAVAILABLE", "unloaded")
        if not self.engines[model]:
            del self.engines[model]
            self._rollouts.drop(model)

    def _drain(self, engine: Engine) -> None:
        task = asyncio.get_running_loop().create_task(engine.stop())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def unknown_model(model: str) -> ProtocolError:
    """No such model is served."""
    return ProtocolError(404, f"unknown model {model[:64]!r}")
