"""Choosing: the Pareto front of validation quality against latency, and the point to return."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from burnish.core.budget import Budget
from burnish.core.evidence import Point


def mark(points: Sequence[Point], budget: Budget, metric: str, higher: bool) -> tuple[list[Point], tuple[str, ...]]:
    """The points with `on_front` and `chosen` set, and the budget's clauses that none of them keeps.

    Among exact points that keep the whole budget on validation rows, the fastest over all
    served shapes is chosen. When none keeps it, the one that breaks the fewest clauses is, so that a
    run always returns its best. Of two that are equally fast, the better one counts.
    """
    usable = [point for point in points if point.exact and point.latency and point.validation is not None]
    base = points[0]
    front = {id(point) for point in usable if not any(_dominates(other, point, higher) for other in usable)}

    def broken(point: Point) -> list[str]:
        judged = budget.judge(point, base, metric, "validation")
        return [clause for clause, kept in judged.items() if kept is False]

    def rank(point: Point) -> tuple[int, float, float]:
        quality = 0.0 if point.validation is None else point.validation.value
        return len(broken(point)), latency_ms(point), -quality if higher else quality

    best = min(usable, key=rank, default=base)
    marked = [point.model_copy(update={"on_front": id(point) in front, "chosen": point is best}) for point in points]
    return marked, tuple(broken(best))


def latency_ms(point: Point) -> float:
    """Median latency, as the geometric mean over the served shapes."""
    return statistics.geometric_mean(profile.p50.value for profile in point.latency.values())


def _dominates(one: Point, other: Point, higher: bool) -> bool:
    """Is `one` at least as good as `other` in both, and better in one?"""
    if one.validation is None or other.validation is None:
        return False
    sign = 1.0 if higher else -1.0
    quality = sign * (one.validation.value - other.validation.value)
    speed = latency_ms(other) - latency_ms(one)
    return quality >= 0 and speed >= 0 and (quality > 0 or speed > 0)
