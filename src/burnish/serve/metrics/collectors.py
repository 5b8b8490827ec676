"""What is read from the service whenever somebody asks for the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from burnish.serve.room import Room

_STATES = ("LOADING", "READY", "UNAVAILABLE")
_VERSION, _LABEL = ("model", "version", "state"), ("model", "version", "label")


class Rooms(Collector):
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


class Versions(Collector):
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
