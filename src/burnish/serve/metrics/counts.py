"""Those who count for the metrics what a model version and the rollouts do."""

from __future__ import annotations

from prometheus_client import Counter

from burnish.serve.ask import Refusal
from burnish.serve.batch import Batch
from burnish.serve.metrics.metrics import Metrics
from burnish.serve.observer import Observer
from burnish.serve.rollout.gate import Verdict
from burnish.serve.rollout.observer import RolloutObserver
from burnish.serve.rollout.router import Route


class VersionCounts(Observer):
    """Counts for one model version."""

    def __init__(self, metrics: Metrics, model: str, version: str, *, instances: int = 1) -> None:
        metrics.instances.labels(model, version).set(instances)
        self._requests = metrics.requests
        self._names = (model, version)
        self._request_seconds = metrics.request_seconds.labels(*self._names)
        self._queue_seconds = metrics.queue_seconds.labels(*self._names)
        self._batch_seconds = metrics.batch_seconds.labels(*self._names)
        self._batch_rows = metrics.batch_rows.labels(*self._names)
        self._predicted = metrics.predicted_ratio.labels(*self._names)
        self._predicted_seconds = metrics.predicted_seconds.labels(*self._names)
        self._busy = metrics.busy_seconds
        self._model = metrics.model_seconds
        self._real = metrics.elements.labels(*self._names, "real")
        self._padded = metrics.elements.labels(*self._names, "padding")
        self._broken = metrics.broken.labels(*self._names)
        self._restarts = metrics.restarts.labels(*self._names)
        self._answered = metrics.requests.labels(*self._names, "answered", "")
        self._failed = metrics.requests.labels(*self._names, "failed", "model_error")

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """See `Observer.ran`."""
        if failed:
            self._broken.inc()
        self._batch_seconds.observe(seconds)
        self._batch_rows.observe(batch.rows)
        self._predicted_seconds.inc(batch.expected_s)
        if batch.expected_s > 0:
            self._predicted.observe(seconds / batch.expected_s)
        for ask in batch.asks:
            self._queue_seconds.observe(batch.started - ask.arrived)

    def worked(self, instance: int, held_s: float, ran_s: float) -> None:
        """See `Observer.worked`."""
        self._busy.labels(*self._names, str(instance)).inc(held_s)
        self._model.labels(*self._names, str(instance)).inc(ran_s)

    def filled(self, elements: int, places: int) -> None:
        """See `Observer.filled`."""
        self._real.inc(elements)
        self._padded.inc(places - elements)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Observer.answered`."""
        (self._failed if failed else self._answered).inc()
        self._request_seconds.observe(seconds)

    def refused(self, refusal: Refusal) -> None:
        """See `Observer.refused`."""
        self._requests.labels(*self._names, "refused", refusal.reason.value).inc()

    def restarted(self) -> None:
        """See `Observer.restarted`."""
        self._restarts.inc()


class RolloutCounts(RolloutObserver):
    """Counts of how requests are spread over versions."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._routed: dict[tuple[str, Route], Counter] = {}

    def routed(self, model: str, route: Route) -> None:
        """See `RolloutObserver.routed`."""
        count = self._routed.get((model, route))
        if count is None:
            count = self._routed[model, route] = self._metrics.routed.labels(model, route.version, route.why.value)
        count.inc()

    def compared(self, model: str, version: str, differing: float) -> None:
        """See `RolloutObserver.compared`."""
        self._metrics.comparisons.labels(model, version).inc()
        self._metrics.disagreements.labels(model, version).inc(differing)

    def dropped(self, model: str, version: str, reason: str) -> None:
        """See `RolloutObserver.dropped`."""
        self._metrics.dropped.labels(model, version, reason).inc()

    def decided(self, model: str, version: str, verdict: Verdict) -> None:
        """See `RolloutObserver.decided`."""
        self._metrics.decisions.labels(model, version, verdict.name.lower()).inc()
