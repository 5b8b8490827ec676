"""What the service tells Prometheus. prometheus-client is imported here and nowhere else.

Base units, one registry, and the latency target as an edge of the buckets, so that the share of answers in
time can be read off exactly.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from burnish.serve.ask import Refusal
from burnish.serve.scheduler import Batch
from burnish.serve.watch import Watch

_EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
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
        self.busy_seconds = Counter("burnish_busy_seconds", "Time workers ran", labels, registry=self.registry)
        self.broken = Counter(
            "burnish_batches_failed", "Batches that ended in an error", labels, registry=self.registry
        )
        self.restarts = Counter("burnish_worker_restarts", "Workers started anew", labels, registry=self.registry)

    def watch(self, model: str, version: str) -> Watch:
        """Counts for one model version."""
        return _Counting(self, model, version)

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
        self._busy = metrics.busy_seconds.labels(*self._names)
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
        self._busy.inc(seconds)
        if batch.expected_s > 0:
            self._predicted.observe(seconds / batch.expected_s)
        for ask in batch.asks:
            self._queue_seconds.observe(batch.started - ask.arrived)

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
