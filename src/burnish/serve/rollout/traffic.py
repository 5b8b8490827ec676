"""One model's requests on their way to its versions: routed, copied, and judged."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.serve.engine import Engine
from burnish.serve.rollout.compare import differing, scores_classes
from burnish.serve.rollout.gate import Arm, Gate
from burnish.serve.rollout.observer import RolloutObserver
from burnish.serve.rollout.record import Decision
from burnish.serve.rollout.router import Route, Router, Why
from burnish.serve.rollout.settings import GateLimits
from burnish.serve.rollout.shadow import Sample, Shadow
from burnish.serve.shapes import Arrays

_JUDGED = (Why.DEFAULT, Why.WEIGHT)
"""Requests that chance gave to one or the other; who chose a version may differ in other ways too."""


class Traffic:
    """What happens under one set of settings. `decision` is what led to them, if a gate did.

    `hashes` are the contents of both versions of a rollout, `place` is where its decision will be kept.
    """

    def __init__(self, model: str, router: Router, observer: RolloutObserver, decision: Decision | None = None) -> None:
        self.model = model
        self.router = router
        self.decision = decision
        self.began = time.monotonic()
        limits = router.settings.gate
        self.gate = Gate(limits, began=self.began) if limits and router.candidate else None
        self.shadow: Shadow | None = None
        self.hashes: dict[str, str] = {}
        self.place: Path | None = None
        self._observer = observer
        self._classes = False
        self._distance = (limits or GateLimits()).distance
        self._copies = {"compared": 0, "dropped": 0}
        self._differing = 0.0

    def copy_to(self, engine: Engine, live: Mapping[str, Engine]) -> None:
        """Compare on copies that this engine runs; `live` are the versions that answer."""
        self._classes = scores_classes(engine.manifest)
        pair = (live[self.router.stable], live[self.router.candidate])
        self.shadow = Shadow(engine, pair, self._copied, self._dropped)

    def routed(self, route: Route) -> None:
        """A request is on its way."""
        self._observer.routed(self.model, route)

    def answered(self, route: Route, key: str, sample: Sample) -> None:
        """A version has answered a request, or failed on it."""
        router = self.router
        if not router.candidate:
            return
        failed = sample.outputs is None
        if self.gate and route.why in _JUDGED and router.settings.weight:
            self.gate.answered(self._arm(route), sample.seconds, failed=failed)
        if self.shadow and route.version == router.stable and router.drawn("shadow", key) < router.settings.shadow:
            self.shadow.offer(sample)

    def refused(self, route: Route) -> None:
        """A version could not answer a request in time."""
        if self.gate and route.why in _JUDGED and self.router.settings.weight:
            self.gate.answered(self._arm(route), float("inf"))

    def to_dict(self) -> dict[str, Any]:
        """How it stands, as plain values."""
        router, decision = self.router, self.decision
        state = "running" if router.candidate else decision.verdict.value if decision else "none"
        return {
            "model": self.model,
            "state": state,
            "stable": router.stable,
            "candidate": router.candidate,
            "labels": router.labels,
            "settings": router.settings.model_dump(mode="json"),
            "seconds": round(time.monotonic() - self.began, 3),
            "copies": self._copies | {"differing": self._differing},
            "measures": [measured.model_dump(mode="json") for measured in self.gate.measured()] if self.gate else [],
            "decision": decision.model_dump(mode="json") if decision else None,
        }

    def decide(self, now: float) -> Decision | None:
        """What the gate says at this moment of its clock, once it is certain."""
        gate, router = self.gate, self.router
        found = gate.look(now) if gate else None
        if gate is None or found is None:
            return None
        return Decision(
            model=self.model,
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

    def _arm(self, route: Route) -> Arm:
        return Arm.CANDIDATE if route.version == self.router.candidate else Arm.STABLE

    def _copied(self, sample: Sample, outputs: Arrays | None, seconds: float) -> None:
        """A copy was run. Where the candidate answers no requests, copies and their originals are what is timed."""
        if self.gate and not self.router.settings.weight:
            self.gate.answered(Arm.STABLE, sample.seconds, failed=sample.outputs is None)
            self.gate.answered(Arm.CANDIDATE, seconds, failed=outputs is None)
        if sample.outputs is None:
            return
        share = 1.0
        if outputs is not None:
            share = differing(outputs, sample.outputs, classes=self._classes, distance=self._distance)
        self._copies["compared"] += 1
        self._differing += share
        self._observer.compared(self.model, self.router.candidate, share)
        if self.gate:
            self.gate.compared(share)

    def _dropped(self, reason: str) -> None:
        self._copies["dropped"] += 1
        self._observer.dropped(self.model, self.router.candidate, reason)
