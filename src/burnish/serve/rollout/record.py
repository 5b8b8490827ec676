"""What a gate decided, with the numbers it decided on: kept, so that a restart does not try the candidate again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.core.files import digest, write_text
from burnish.core.noun import Noun
from burnish.data.locate import cache_folder
from burnish.serve.rollout.gate import Measured, Verdict
from burnish.serve.rollout.settings import STABLE, Rollout


class Decision(Noun):
    """The end of a rollout. `at` is UTC, `seconds` how long it took, `slow_ms` beyond what an answer was slow."""

    model: str
    stable: str
    candidate: str
    verdict: Verdict
    reason: str
    at: str
    seconds: float
    slow_ms: float | None
    measures: tuple[Measured, ...]
    settings: Rollout

    @property
    def line(self) -> str:
        """All of it in one line, for a log."""
        numbers = "; ".join(
            f"{m.name} {', '.join(f'{side} {share:.4f} of {m.requests[side]}' for side, share in m.share.items())}"
            f", difference in [{m.lower:.4f}, {m.upper:.4f}], limit {m.limit:g}"
            for m in self.measures
        )
        who = f"{self.model}: version {self.candidate} {self.verdict.value} against {self.stable}"
        return f"{who} after {self.seconds:.0f} s ({self.reason}): {numbers}"

    def outcome(self) -> Rollout:
        """The settings that follow: the winner is stable, and nobody is tried."""
        winner = self.candidate if self.verdict is Verdict.PROMOTE else self.stable
        return Rollout(labels=self.settings.labels | {STABLE: winner})


def place(model: str, settings: Rollout, hashes: Mapping[str, str]) -> Path:
    """Where the decision on these settings and these two artifacts is kept; `hashes` are theirs by version."""
    parts = [part for item in sorted(hashes.items()) for part in item]
    return cache_folder() / "serve" / "rollouts" / f"{digest(model, settings.to_json(), *parts)}.json"


def keep(path: Path, decision: Decision) -> bool:
    """Write it down; False where the disk does not let us."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, decision.to_json())
    except (OSError, BurnishError):
        return False
    return True


def kept(path: Path) -> Decision | None:
    """What was decided before, None when nothing was or it cannot be read."""
    try:
        return Decision.from_json(path.read_text(), where=str(path))
    except (OSError, UnicodeDecodeError, BurnishError):
        return None
