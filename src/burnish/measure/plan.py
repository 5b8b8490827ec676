"""How many calls a turn makes and how many rounds there are, from a first guess of the times.

In a round every candidate answers the same window of requests, so that rounds can be compared when
requests differ in length; the window moves on from round to round. A fast candidate goes over its
window several times, so that its turn is long enough to be measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SHORT_MS = 150.0
LONG_MS = 500.0
MIN_ROUNDS = 3
_MIN_CALLS = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`window` requests per turn, gone over `repeats[i]` times by candidate i, in `rounds` rounds."""

    rounds: int
    window: int
    repeats: tuple[int, ...]

    def total_s(self, call_ms: Sequence[float], pause_s: float) -> float:
        """How long the timed calls and the pauses will take, in seconds."""
        turn_ms = sum(self.window * again * ms for again, ms in zip(self.repeats, call_ms, strict=True))
        return self.rounds * (turn_ms / 1000 + len(call_ms) * pause_s)


def plan_turns(
    call_ms: Sequence[float],
    *,
    num_requests: int,
    rounds: int,
    calls: int | None,
    budget_s: float,
    pause_s: float,
) -> Plan:
    """The longest plan that keeps the budget; the shortest one when none does.

    `call_ms` is the guessed time of one call of each candidate. `calls`, when given, is the number
    of timed calls per turn, and only the rounds are adapted.
    """
    if calls is not None:
        window = min(num_requests, calls)
        plan = Plan(rounds=rounds, window=window, repeats=(math.ceil(calls / window),) * len(call_ms))
        return _fewer_rounds(plan, call_ms, budget_s, pause_s)
    share = 1.0
    while True:
        plan = _adapted(call_ms, num_requests, rounds, share)
        smallest = _adapted(call_ms, num_requests, rounds, 0.0)
        if plan.total_s(call_ms, pause_s) <= budget_s or plan == smallest:
            return _fewer_rounds(plan, call_ms, budget_s, pause_s)
        share *= 0.7


def _adapted(call_ms: Sequence[float], num_requests: int, rounds: int, share: float) -> Plan:
    """Turns between SHORT_MS and LONG_MS, times `share`."""
    window = max(1, min(num_requests, int(share * LONG_MS / max(call_ms))))
    enough = math.ceil(_MIN_CALLS / window)
    repeats = tuple(max(enough, math.ceil(share * SHORT_MS / (window * ms))) for ms in call_ms)
    return Plan(rounds=rounds, window=window, repeats=repeats)


def _fewer_rounds(plan: Plan, call_ms: Sequence[float], budget_s: float, pause_s: float) -> Plan:
    one = plan.total_s(call_ms, pause_s) / plan.rounds
    fitting = math.floor(budget_s / one) if one > 0 else plan.rounds
    return Plan(
        rounds=max(min(MIN_ROUNDS, plan.rounds), min(plan.rounds, fitting)), window=plan.window, repeats=plan.repeats
    )
