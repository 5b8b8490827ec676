"""The rollouts of all models: puts settings into force, looks at the gates, carries out what they decide."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from burnish.core.errors import BurnishError, RecipeError
from burnish.core.signature import Signature, TensorSpec
from burnish.serve.engine import Engine
from burnish.serve.rollout.record import Decision, keep, kept, place
from burnish.serve.rollout.router import Router, pinned
from burnish.serve.rollout.settings import Rollout, read_rollout
from burnish.serve.rollout.standing import Standing, fitted, forget, recall, remember
from burnish.serve.rollout.standing import place as standing_place
from burnish.serve.rollout.traffic import Traffic
from burnish.serve.rollout.watch import RolloutWatch

_LOG = logging.getLogger(__name__)
_LOOK_S = 1.0

Engines = Mapping[str, Engine]
Make = Callable[[str, str, Path], Engine]


class Rollouts:
    """Holds the `Traffic` of every model. `make` builds the engine that runs copies, `say` tells a person.

    With `keep` what is set by `send` goes on after a restart.
    """

    def __init__(
        self,
        make: Make,
        watch: RolloutWatch | None = None,
        say: Callable[[str], None] | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self._make = make
        self._watch = watch or RolloutWatch()
        self._say = say or _LOG.info
        self._keep = keep
        self._models: dict[str, Traffic] = {}
        self._standing: dict[str, Path] = {}
        self._read: dict[str, Rollout | None] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, model: str) -> Traffic | None:
        """What is in force for a model that is served."""
        return self._models.get(model)

    async def refresh(self, model: str, versions: Engines) -> None:
        """The versions or the file of a model have changed. A rollout whose two versions are the same goes on.

        Raises as `arrange`; whoever was stable stays so then.
        """
        before, found = self._models.get(model), read_rollout(_folders(versions))
        try:
            if before is None and await self._restored(model, versions, found):
                self._read[model] = found
            elif found != self._read.get(model):
                await self.arrange(model, versions, found or Rollout())
                self._file_counts(model, versions)
                self._read[model] = found
            elif before is None:
                await self.arrange(model, versions, Rollout())
            elif before.router.candidate and before.hashes == _hashes(before.router, versions):
                before.router = Router(model, before.router.settings, versions)
            else:
                await self.arrange(model, versions, Router(model, before.router.settings, versions).trimmed)
                self._note(model)
        except BurnishError:
            if before is not None:
                before.router = Router(model, pinned(before.router), versions)
            raise

    async def send(self, model: str, versions: Engines, settings: Rollout) -> None:
        """Put settings into force until the file says something new, also after a restart. Raises as `arrange`."""
        await self.arrange(model, versions, settings)
        if self._keep:
            self._standing[model] = standing_place(model, _folders(versions))
            self._note(model)

    async def arrange(self, model: str, versions: Engines, settings: Rollout) -> None:
        """Put settings into force for these versions. Requests go on meanwhile.

        A candidate that a gate has judged under the same settings is not tried again. Raises `RecipeError` when
        they do not fit, and `ArtifactError` when the engine for copies does not start.
        """
        router = Router(model, settings, versions)
        router.check()
        traffic = Traffic(model, router, self._watch)
        if router.candidate:
            _check_pair(versions[router.stable], versions[router.candidate])
            traffic.hashes = _hashes(router, versions)
            traffic.place = place(model, settings, traffic.hashes)
            decision = kept(traffic.place) if settings.gate else None
            if decision is not None:
                self._say(f"decided before, see {traffic.place}: {decision.line}")
                traffic = Traffic(model, Router(model, decision.outcome(), versions), self._watch, decision)
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
        gate, router = traffic.gate, traffic.router
        now = time.monotonic()
        found = gate.look(now) if gate else None
        if gate is None or found is None:
            return None
        decision = Decision(
            model=model,
            stable=router.stable,
            candidate=router.candidate,
            verdict=found[0],
            reason=found[1],
            at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            seconds=now - gate.began,
            slow_ms=None if gate.slow_s is None else 1000 * gate.slow_s,
            measures=gate.measured(),
            settings=router.settings,
        )
        kept_it = traffic.place is not None and keep(traffic.place, decision)
        where = f"; kept in {traffic.place}" if kept_it else "; it could not be written down"
        self._say(decision.line + where)
        self._watch.decided(model, router.candidate, decision.verdict)
        self._put(Traffic(model, Router(model, decision.outcome(), router.versions), self._watch, decision))
        self._note(model)
        return decision

    def drop(self, model: str) -> None:
        """A model is no longer served."""
        before = self._models.pop(model, None)
        self._read.pop(model, None)
        self._standing.pop(model, None)
        if before is not None:
            self._retire(before)

    async def stop(self) -> None:
        """End all copies."""
        for model in list(self._models):
            self.drop(model)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _restored(self, model: str, versions: Engines, file: Rollout | None) -> bool:
        """Go on with what an earlier process was told, unless the file has changed since."""
        path = standing_place(model, _folders(versions))
        standing = recall(path) if self._keep else None
        if standing is None or standing.file != file:
            return False
        settings = fitted(standing, versions, self._say)
        try:
            await self.arrange(model, versions, settings)
        except BurnishError as error:
            self._say(f"{model}: what was set before cannot be put into force: {error.what}")
            return False
        if settings == standing.settings and standing.decision is not None:
            self._models[model].decision = standing.decision
        self._standing[model], self._read[model] = path, file
        self._say(f"{model}: goes on with the rollout that was set before, kept in {path}")
        self._note(model)
        return True

    def _file_counts(self, model: str, versions: Engines) -> None:
        """What was set by `send` is over."""
        if self._keep:
            forget(standing_place(model, _folders(versions)))
        self._standing.pop(model, None)

    def _note(self, model: str) -> None:
        """Keep what is in force now, if it was set by `send`."""
        path = self._standing.get(model)
        if path is None:
            return
        traffic = self._models[model]
        standing = Standing(
            model=model, settings=traffic.router.settings, file=self._read.get(model), decision=traffic.decision
        )
        if not remember(path, standing):
            self._say(f"{model}: this rollout could not be written down in {path}, a restart will not know it")

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


def _hashes(router: Router, versions: Engines) -> dict[str, str]:
    pair = (router.stable, router.candidate)
    return {version: versions[version].manifest.content_hash for version in pair if version in versions}


def _folders(versions: Engines) -> dict[str, Path]:
    return {version: engine.folder for version, engine in versions.items()}


def _check_pair(stable: Engine, candidate: Engine) -> None:
    """A request must fit both. Raises `RecipeError`."""
    one, other = _spelled(stable.manifest.signature), _spelled(candidate.manifest.signature)
    if one != other:
        raise RecipeError(
            "the candidate's inputs or outputs are not those of the stable version",
            why=f"stable: {one}; candidate: {other}",
            help="serve it under a model name of its own",
        )


def _spelled(signature: Signature) -> str:
    sides = (signature.inputs, signature.outputs)
    return " -> ".join(", ".join(_spec(spec) for spec in side) for side in sides)


def _spec(spec: TensorSpec) -> str:
    shape = ", ".join(str(size) if isinstance(size, int) else "any" for size in spec.shape)
    return f"{spec.name} {spec.dtype} [{shape}]"
