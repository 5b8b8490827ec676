"""Who hears what an engine does: metrics, and the statistics that the protocol asks for."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.ask import Refusal
from burnish.serve.batch import Batch


class Observer:
    """Hears everything and does nothing with it."""

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """A batch came back, that long after it began."""

    def worked(self, instance: int, held_s: float, ran_s: float) -> None:
        """A worker was held that long by a batch, or by a request run alone, and the model itself ran that long."""

    def filled(self, elements: int, places: int) -> None:
        """A batch has that many elements of requests in that many places; the others are padding."""

    def answered(self, seconds: float, *, failed: bool) -> None:
        """A request that was run got its answer or an error, that long after it arrived."""

    def refused(self, refusal: Refusal) -> None:
        """A request was refused."""

    def restarted(self) -> None:
        """A worker died and is being started again."""


class Broadcast(Observer):
    """Passes everything on to several others."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def ran(self, batch: Batch, seconds: float, *, failed: bool) -> None:
        """See `Observer.ran`."""
        for observer in self._observers:
            observer.ran(batch, seconds, failed=failed)

    def worked(self, instance: int, held_s: float, ran_s: float) -> None:
        """See `Observer.worked`."""
        for observer in self._observers:
            observer.worked(instance, held_s, ran_s)

    def filled(self, elements: int, places: int) -> None:
        """See `Observer.filled`."""
        for observer in self._observers:
            observer.filled(elements, places)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """See `Observer.answered`."""
        for observer in self._observers:
            observer.answered(seconds, failed=failed)

    def refused(self, refusal: Refusal) -> None:
        """See `Observer.refused`."""
        for observer in self._observers:
            observer.refused(refusal)

    def restarted(self) -> None:
        """See `Observer.restarted`."""
        for observer in self._observers:
            observer.restarted()
