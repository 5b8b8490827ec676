"""All metrics of a server, in one registry.

Base units, and the latency target as an edge of the buckets, so that the share of answers in time can be read
off exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from burnish.serve.metrics.collectors import Rooms, Versions
from burnish.serve.room import Room

_EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_RATIOS = (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)


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
            buckets=_RATIOS,
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

    def show_versions(self, index: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Take the versions and their states from there whenever somebody asks."""
        self.registry.register(Versions(index))

    def show_room(self, room: Room) -> None:
        """Take bytes held, and requests that found no room, from there whenever somebody asks."""
        self.registry.register(Rooms(room))

    def page(self) -> tuple[str, bytes]:
        """Content type and text of the exposition."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)
