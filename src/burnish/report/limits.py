"""The budget as the page needs it: the limits to draw, and whether the returned point keeps them.

Judged on the test rows, which the choice never saw. A limit that was not measured is never "held".
"""

from __future__ import annotations

from burnish.core.budget import Budget, Limit, parse_budget
from burnish.core.errors import RecipeError
from burnish.core.evidence import Ledger


def budget_of(ledger: Ledger) -> Budget | None:
    """The ledger's budget; None when there is none, or its text is of another version."""
    if not ledger.budget.strip():
        return None
    try:
        return parse_budget(ledger.budget, ledger.metric)
    except RecipeError:
        return None


def verdict(ledger: Ledger) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the returned point keeps the budget, and the clauses that it breaks.

    None when there is no budget, or one of its clauses cannot be judged from the ledger.
    """
    budget = budget_of(ledger)
    if budget is None:
        return None, ()
    judged = budget.judge(ledger.best, ledger.base, ledger.metric, "test")
    broken = tuple(text for text, kept in judged.items() if kept is False)
    if broken:
        return False, broken
    return (None if None in judged.values() else True), ()


def latency_limit(ledger: Ledger) -> tuple[str, float | None]:
    """The percentile that the budget names ("p50" when none), and its limit in milliseconds."""
    budget = budget_of(ledger)
    limit = budget.latency() if budget else None
    return (limit.percentile or "p50", limit.value) if limit else ("p50", None)


def quality_limit(ledger: Ledger) -> Limit | None:
    """The limit on the metric, when the budget has one."""
    budget = budget_of(ledger)
    return budget.quality(ledger.metric) if budget else None
