"""Whether a candidate takes over or goes: by errors, latency and disagreement, at any moment. No clock of its own.

Each measure is a share of requests: that failed; that were slow or refused; whose answers differ. The candidate is
rolled back when it is certain that one of its shares exceeds the stable version's by more than the limit, and
promoted when it is certain that none does. Both are read off confidence sequences (see `bounds`), so one may look
after every request: a candidate within the limits is rolled back with probability `alpha` at most (divided among the
bounds that can be wrong, Bonferroni), and one beyond a limit is promoted with probability `alpha` at most (all
measures must pass, so none needs a correction: Berger, "Multiparameter hypothesis testing and acceptance sampling",
Technometrics 24(4), 1982).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from burnish.core.noun import Noun
from burnish.serve.rollout.bounds import Share
from burnish.serve.rollout.settings import GateLimits

_SLOW_QUANTILE = 0.95


class Arm(StrEnum):
    """The two sides."""

    STABLE = "stable"
    CANDIDATE = "candidate"


class Verdict(StrEnum):
    """How it ends."""

    PROMOTE = "promoted"
    ROLL_BACK = "rolled back"


class Measured(Noun):
    """One measure as it stands: shares by side, and between which values the difference to stable lies."""

    name: str
    limit: float
    requests: dict[str, int]
    share: dict[str, float]
    lower: float
    upper: float


@dataclass(slots=True)
class _Measure:
    """Shares by side; the disagreement of answers has one side only."""

    name: str
    limit: float
    shares: dict[Arm, Share]

    @property
    def observed(self) -> float:
        """By how much the candidate's share exceeds stable's so far."""
        theirs = self.shares.get(Arm.STABLE)
        return self.shares[Arm.CANDIDATE].mean - (theirs.mean if theirs else 0.0)

    def at_least(self, alpha: float) -> float:
        """By how much the candidate's share exceeds stable's, at least; each bound is wrong with probability alpha."""
        theirs = self.shares.get(Arm.STABLE)
        return self.shares[Arm.CANDIDATE].lower(alpha) - (theirs.upper(alpha) if theirs else 0.0)

    def at_most(self, alpha: float) -> float:
        """The same, at most."""
        theirs = self.shares.get(Arm.STABLE)
        return self.shares[Arm.CANDIDATE].upper(alpha) - (theirs.lower(alpha) if theirs else 0.0)


class Gate:
    """Hears of requests and says when it is decided. `began` and `now` are seconds of one clock.

    Answers are slow beyond `slow_s`; where the limits do not say it, beyond the 95th percentile of the stable version's
    first `min_requests`, and until those are there nobody counts as slow or not.
    """

    def __init__(self, limits: GateLimits, *, began: float) -> None:
        self.limits = limits
        self.began = began
        self.slow_s = limits.slow_ms / 1000 if limits.slow_ms is not None else None
        self._first: list[float] = []
        sides = {"errors": (*Arm,), "late": (*Arm,), "disagreement": (Arm.CANDIDATE,)}
        allowed = {"errors": limits.errors, "late": limits.late, "disagreement": limits.disagreement}
        self._measures = {
            name: _Measure(name, limit, {arm: Share() for arm in sides[name]})
            for name, limit in allowed.items()
            if limit is not None
        }

    def answered(self, arm: Arm, seconds: float, *, failed: bool = False) -> None:
        """A request was answered or failed after that time; infinite when it was refused for want of time."""
        if math.isfinite(seconds):
            self._count("errors", arm, float(failed))
        if failed:
            return
        if self.slow_s is not None:
            self._count("late", arm, float(seconds > self.slow_s))
        elif arm is Arm.STABLE:
            self._first.append(seconds)
            if len(self._first) >= self.limits.min_requests:
                self.slow_s = sorted(self._first)[math.ceil(_SLOW_QUANTILE * len(self._first)) - 1]
                self._first.clear()

    def compared(self, differing: float) -> None:
        """The answers of both to one request: the share of its rows that differ."""
        self._count("disagreement", Arm.CANDIDATE, differing)

    def look(self, now: float) -> tuple[Verdict, str] | None:
        """The verdict and its reason, once there is one."""
        limits, measures = self.limits, self._measures.values()
        for measure in measures:
            if measure.observed <= measure.limit:
                continue  # then the bound below it is not beyond the limit either
            excess = measure.at_least(self._rollback_alpha)
            if excess > measure.limit:
                return Verdict.ROLL_BACK, f"{measure.name}: at least {excess:.4f}, {measure.limit:g} is allowed"
        enough = all(s.count >= limits.min_requests for measure in measures for s in measure.shares.values())
        if measures and enough and all(self._passes(measure) for measure in measures):
            return Verdict.PROMOTE, "every measure is within its limit"
        if now - self.began >= 60 * limits.max_minutes:
            return Verdict.ROLL_BACK, f"undecided after {limits.max_minutes:g} minutes"
        return None

    def measured(self) -> tuple[Measured, ...]:
        """All measures as they stand."""
        return tuple(
            Measured(
                name=measure.name,
                limit=measure.limit,
                requests={arm.value: share.count for arm, share in measure.shares.items()},
                share={arm.value: share.mean for arm, share in measure.shares.items()},
                lower=measure.at_least(self._rollback_alpha),
                upper=measure.at_most(self._promotion_alpha(measure)),
            )
            for measure in self._measures.values()
        )

    @property
    def _rollback_alpha(self) -> float:
        """Of each bound: any one of them being wrong could send a good candidate back."""
        return self.limits.alpha / max(1, sum(len(measure.shares) for measure in self._measures.values()))

    def _promotion_alpha(self, measure: _Measure) -> float:
        """Of each bound of one measure: a bad candidate passes only if its bad measure's bounds are wrong."""
        return self.limits.alpha / len(measure.shares)

    def _passes(self, measure: _Measure) -> bool:
        """Whether a measure is certain to be within its limit; the bounds are looked at only where that can be."""
        return measure.observed <= measure.limit and measure.at_most(self._promotion_alpha(measure)) <= measure.limit

    def _count(self, name: str, arm: Arm, value: float) -> None:
        measure = self._measures.get(name)
        if measure is not None:
            measure.shares[arm].add(value)
