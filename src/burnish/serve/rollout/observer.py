"""Who hears how requests are spread over versions: metrics."""

from __future__ import annotations

from burnish.serve.rollout.gate import Verdict
from burnish.serve.rollout.router import Route


class RolloutObserver:
    """Hears everything and does nothing with it."""

    def routed(self, model: str, route: Route) -> None:
        """A request was given to a version."""

    def compared(self, model: str, version: str, differing: float) -> None:
        """A copy was run on that version; the share of its rows that differ from the answer given."""

    def dropped(self, model: str, version: str, reason: str) -> None:
        """A copy was not run."""

    def decided(self, model: str, version: str, verdict: Verdict) -> None:
        """A gate has decided about that version."""
