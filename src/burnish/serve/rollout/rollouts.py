"""The rollouts of all models: puts settings into force, looks at the gates, carries out what they decide."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.serve.engine import Engine
from burnish.serve.rollout.notes import Notes
from burnish.serve.rollout.observer import RolloutObserver
from burnish.serve.rollout.pair import Engines, check_pair, folders, hashes
from burnish.serve.rollout.record import Decision, keep, kept, place
from burnish.serve.rollout.router import Router, pinned
from burnish.serve.rollout.settings import Rollout, read_rollout
from burnish.serve.rollout.standing import fitted
from burnish.serve.rollout.traffic import Traffic

_LOG = logging.getLogger(__name__)
_LOOK_S = 1.0

Make = Callable[[str, str, Path], Engine]


class Rollouts:
    """Holds the `Traffic` of every model. `make` builds the engine that runs copies, `say` tells a person.

    With `keep` what is set by `send` goes on after a restart.
    """

    def __init__(
        self,
        make: Make,
        observer: RolloutObserver | None = None,
        say: Callable[[str], None] | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self._make = make
        self._observer = observer or RolloutObserver()
        self._say = say or _LOG.info
        self._notes = Notes(self._say, keep=keep)
        self._models: dict[str, Traffic] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, model: str) -> Traffic | None:
        """What is in force for a model that is served."""
        return self._models.get(model)

    async def refresh(self, model: str, versions: Engines) -> None:
        """The versions or the file of a model have changed. A rollout whose two versions are the same goes on.

        Raises as `arrange`; whoever was stable stays so then.
        """
        before, found = self._models.get(model), read_rollout(folders(versions))
        try:
            if before is None and await self._restored(model, versions, found):
                return
            if found != self._notes.file(model):
                await self.arrange(model, versions, found or Rollout())
                self._notes.file_counts(model, versions, found)
            elif before is None:
                await self.arrange(model, versions, Rollout())
            elif before.router.candidate and before.hashes == hashes(before.router, versions):
                before.router = Router(model, before.router.settings, versions)
            else:
                await self.arrange(model, versions, Router(model, before.router.settings, versions).trimmed)
                self._notes.write(self._models[model])
        except BurnishError:
            if before is not None:
                before.router = Router(model, pinned(before.router), versions)
            raise

    async def send(self, model: str, versions: Engines, settings: Rollout) -> None:
        """Put settings into force until the file says something new, also after a restart. Raises as `arrange`."""
        await self.arrange(model, versions, settings)
        self._notes.was_set(model, versions)
        self._notes.write(self._models[model])

    async def arrange(self, model: str, versions: Engines, settings: Rollout) -> None:
        """Put settings into force for these versions. Requests go on meanwhile.

        A candidate that a gate has judged under the same settings is not tried again. Raises `RecipeError` when
        they do not fit, and `ArtifactError` when the engine for copies does not start.
        """
        router = Router(model, settings, versions)
        router.check()
        traffic = Traffic(model, router, self._observer)
        if router.candidate:
            check_pair(versions[router.stable], versions[router.candidate])
            traffic.hashes = hashes(router, versions)
            traffic.place = place(model, settings, traffic.hashes)
            decision = kept(traffic.place) if settings.gate else None
            if decision is not None:
                self._say(f"decided before, see {traffic.place}: {decision.line}")
                traffic = Traffic(model, Router(model, decision.outcome(), versions), self._observer, decision)
            else:
                traffic.router = Router(model, pinned(router), versions)
        if traffic.router.candidate and settings.shadow:
            version = traffic.router.candidate
            engine = self._make(model, f"{version}-shadow", versions[version].folder)
            await engine.start()
            traffic.copy_to(engine, versions)
        self._put(traffic)
        if traffic.gate:
            self._looking[model] = asyncio.get_running_loop().create_task(self._keep_looking(model))

    def look(self, model: str) -> Decision | None:
        """Ask a model's gate; what it has decided is in force when this returns."""
        traffic = self._models[model]
        decision = traffic.decide(time.monotonic())
        if decision is None:
            return None
        kept_it = traffic.place is not None and keep(traffic.place, decision)
        where = f"; kept in {traffic.place}" if kept_it else "; it could not be written down"
        self._say(decision.line + where)
        self._observer.decided(model, decision.candidate, decision.verdict)
        self._put(Traffic(model, Router(model, decision.outcome(), traffic.router.versions), self._observer, decision))
        self._notes.write(self._models[model])
        return decision

    def drop(self, model: str) -> None:
        """A model is no longer served."""
        before = self._models.pop(model, None)
        self._notes.drop(model)
        if before is not None:
            self._retire(before)

    async def stop(self) -> None:
        """End all copies."""
        for model in list(self._models):
            self.drop(model)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _restored(self, model: str, versions: Engines, file: Rollout | None) -> bool:
        """Go on with what an earlier process was told, unless the file has changed since."""
        standing = self._notes.earlier(model, versions, file)
        if standing is None:
            return False
        settings = fitted(standing, versions, self._say)
        try:
            await self.arrange(model, versions, settings)
        except BurnishError as error:
            self._say(f"{model}: what was set before cannot be put into force: {error.what}")
            return False
        if settings == standing.settings and standing.decision is not None:
            self._models[model].decision = standing.decision
        path = self._notes.goes_on(model, versions, file)
        self._say(f"{model}: goes on with the rollout that was set before, kept in {path}")
        self._notes.write(self._models[model])
        return True

    def _put(self, traffic: Traffic) -> None:
        before = self._models.get(traffic.model)
        self._models[traffic.model] = traffic
        if before is not None:
            self._retire(before)

    def _retire(self, traffic: Traffic) -> None:
        looking = self._looking.pop(traffic.model, None)
        if looking is not None and looking is not asyncio.current_task():
            looking.cancel()
        if traffic.shadow:
            task = asyncio.get_running_loop().create_task(traffic.shadow.stop())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _keep_looking(self, model: str) -> None:
        """Until it is decided; the bounds hold at all looks together."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.look(model) is not None:
                return
