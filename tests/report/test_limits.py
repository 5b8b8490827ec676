import pytest

from burnish.report import limits
from tests.report import sample


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("accuracy>=-1pt, latency_p95<=5ms", True),
        ("accuracy>=-0.1pt", False),
        ("accuracy>=76%", True),
        ("accuracy >= 0.77", False),
        ("latency_p95<=4ms", False),
        ("latency_p50<=0.004s", True),
        ("size<=23MB, parameters<=17M", True),
        ("speedup>=11x", True),
        ("speedup>=12x", False),
        ("joy>=3", None),
        ("", None),
    ],
)
def test_verdict_compares_the_returned_point_with_every_clause(text: str, held: bool | None):
    assert limits.verdict(sample.ledger(budget=text))[0] is held


def test_every_broken_clause_is_named():
    ledger = sample.ledger(budget="latency_p95<=1ms, size<=23MB, speedup>=20x")
    assert limits.verdict(ledger) == (False, ("latency_p95<=1ms", "speedup>=20x"))


def test_a_clause_that_was_not_measured_is_not_held():
    points = [point.model_copy(update={"test": None}) for point in sample.points()]
    assert limits.verdict(sample.ledger(points=tuple(points))) == (None, ())


def test_the_plot_gets_the_percentile_that_the_budget_names():
    assert limits.latency_limit(sample.ledger()) == ("p95", 5.0)
    assert limits.latency_limit(sample.ledger(budget="accuracy>=-1pt")) == ("p50", None)
