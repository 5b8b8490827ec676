"""What the service tells Prometheus. prometheus-client is imported here and nowhere else.

Base units, one registry, and the latency target as an edge of the buckets, so that the share of answers in
time can be read off exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from burnish.serve.ask import Refusal
from burnish.serve.rollout.gate import Verdict
from burnish.serve.rollout.router import Route
from burnish.serve.rollout.watch import RolloutWatch
from burnish.serve.room import Room
from burnish.serve.scheduler import Batch
from burnish.serve.watch import Watch

_EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STATES = ("LOADING", "READY", "UNAVAILABLE")
_VERSION, _LABEL = ("model", "version", "state"), ("model", "version", "label")
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """All metrics of a server."""

    def __init__(self, latency_target_ms: float | None = None) -> None:
        edges = sorted({*_EDGES, *([latency_target_ms / 1000] if latency_target_ms else [])})
        labels = ("model", "version")
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "burnish_requests", "Requests by outcome", (*labels, "outcome", "reason"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "burnish_request_seconds", "From arrival to answer", labels, buckets=edges, registry=self.registry
        )
        self.queue_seconds = Histogram(
            "burnish_queue_seconds", "From arrival to the batch", labels, buckets=edges, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "burnish_batch_seconds", "Run time of batches", labels, buckets=edges, registry=self.registry
        )
        self.batch_rows = Histogram(
            "burnish_batch_rows", "Rows of batches", labels, buckets=_SIZES, registry=self.registry
        )
        self.predicted_ratio = Histogram(
            "burnish_batch_predicted_ratio",
            "Measured over predicted run time",
            labels,
            buckets=(0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0),
            registry=self.registry,
        )
        self.predicted_seconds = Counter(
            "burnish_batch_predicted_seconds", "Run time of batches as predicted", labels, registry=self.registry
        )
        self.busy_seconds = Counter(
            "burnish_busy_seconds", "Time a worker was held by batches", (*labels, "instance"), registry=self.registry
        )
        self.model_seconds = Counter(
            "burnish_model_seconds", "Time the model itself ran", (*labels, "instance"), registry=self.registry
        )
        self.instances = Gauge("burnish_instances", "Workers of a version", labels, registry=self.registry)
        self.elements = Counter(
            "burnish_batch_elements",
            "Elements of batches: real ones, and zeros that pad requests to a bucket",
            (*labels, "kind"),
            registry=self.registry,
        )
        self.broken = Counter(
            "burnish_batches_failed", "Batches that ended in an error", labels, registry=self.registry
        )
        self.restarts = Counter("burnish_worker_restarts", "Workers started anew", labels, registry=self.registry)

        self.routed = Counter(
            "burnish_routed_requests", "Requests by version and what chose it", (*labels, "why"), registry=self.registry
        )
        self.comparisons = Counter(
            "burnish_shadow_comparisons", "Copies compared with the answer given", labels, registry=self.registry
        )
        self.disagreements = Counter(
            "burnish_shadow_disagreements", "Of those, that differ (shares of rows)", labels, registry=self.registry
        )
        self.dropped = Counter(
            "burnish_shadow_dropped", "Copies that were not run", (*labels, "reason"), registry=self.registry
        )
        self.decisions = Counter(
            "burnish_rollout_decisions", "Decisions of gates", (*labels, "verdict"), registry=self.registry
        )

    def watch(self, model: str, version: str, *, instances: int = 1) -> Watch:
        """Counts for one model version."""
        self.instances.labels(model, version).set(instances)
        return _Counting(self, model, version)

    def watch_rollouts(self) -> RolloutWatch:
        """Counts of how requests are spread over versions."""
        return _Routing(self)

    def show_versions(self, index: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Take the versions and their states from there whenever somebody asks."""
        self.registry.register(_Versions(index))

    def show_room(self, room: Room) -> None:
        """Take bytes held, and requests that found no room, from there whenever somebody asks."""
        self.registry.register(_Rooms(room))

    def page(self) -> tuple[str, bytes]:
        """Content type and text of the exposition."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)


class _Counting(Watch):
    def __init__(self, metrics: Metrics, model: str, version: str) -> None:
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
        """See `Watch.ran`."""
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
        """See `Watch.worked`."""
        self._busy.labels(*self._names, str(instance)).inc(held_s)
        self._model.labels(*self._names, str(instance)).inc(ran_s)

    def filled(self, elements: int, places: int) -> None:
        """See `Watch.filled`."""
        self._real.inc(elements)
        self._padded.inc(places - elements)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Watch.answered`."""
        (self._failed if failed else self._answered).inc()
        self._request_seconds.observe(seconds)

    def refused(self, refusal: Refusal) -> None:
        """See `Watch.refused`."""
        self._requests.labels(*self._names, "refused", refusal.reason.value).inc()

    def restarted(self) -> None:
        """See `Watch.restarted`."""
        self._restarts.inc()


class _Routing(RolloutWatch):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def routed(self, model: str, route: Route) -> None:
        """See `RolloutWatch.routed`."""
        self._metrics.routed.labels(model, route.version, route.why.value).inc()

    def compared(self, model: str, version: str, differing: float) -> None:
        """See `RolloutWatch.compared`."""
        self._metrics.comparisons.labels(model, version).inc()
        self._metrics.disagreements.labels(model, version).inc(differing)

    def dropped(self, model: str, version: str, reason: str) -> None:
        """See `RolloutWatch.dropped`."""
        self._metrics.dropped.labels(model, version, reason).inc()

    def decided(self, model: str, version: str, verdict: Verdict) -> None:
        """See `RolloutWatch.decided`."""
        self._metrics.decisions.labels(model, version, verdict.name.lower()).inc()


class _Rooms(Collector):
    """The bytes that requests take, and who was refused for want of them before anybody knew the version."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        yield GaugeMetricFamily("burnish_request_bytes_held", "Bytes of requests at work", value=self._room.held)
        yield GaugeMetricFamily("burnish_request_bytes_limit", "The most of them", value=self._room.most)
        refused = CounterMetricFamily(
            "burnish_unread_requests", "Refused before they were read", labels=("front_end", "reason")
        )
        for front in ("http", "grpc"):
            refused.add_metric([front, "no_room"], self._room.refused[front])
        yield refused


class _Versions(Collector):
    """The index of models as gauges: one series for the state of each version, one for each label it carries."""

    def __init__(self, index: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        self._index = index

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See `Collector.collect`."""
        state = GaugeMetricFamily("burnish_version_state", "1 for the state it is in", labels=_VERSION)
        label = GaugeMetricFamily("burnish_version_label_info", "Labels of versions", labels=_LABEL)
        for item in self._index():
            names = (item["name"], item["version"])
            for known in _STATES:
                state.add_metric([*names, known], float(item["state"] == known))
            for carried in item.get("labels", ()):
                label.add_metric([*names, carried], 1.0)
        yield state
        yield label
