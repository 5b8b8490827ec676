import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from burnish.core.budget import Budget, parse_budget
from burnish.core.errors import RecipeError
from burnish.core.evidence import Point
from burnish.core.measurement import LatencyProfile, Measurement, Ratio


def number(value, name="x"):
    return Measurement(name=name, value=value, unit="", low=value, high=value, n=1, protocol="made up", machine="none")


def point(validation=None, test=None, ms=None, **fields):
    latency = {}
    if ms is not None:
        profile = {
            "label": "a", "served": "batch 1", "rounds_ms": (ms,), "peak_memory_bytes": 1000,
            "p50": number(ms), "p95": number(2 * ms), "p99": number(3 * ms),
        }  # fmt: skip
        latency = {"batch 1": LatencyProfile(**profile)}
    scores = {"validation": validation, "test": test}
    return Point(
        stage=0,
        label="a",
        backend="eager",
        options={},
        exact=True,
        latency=latency,
        **{key: None if value is None else number(value) for key, value in scores.items()},
        **fields,
    )


def verdicts(text, ours, base=None, metric="accuracy", split="validation"):
    return list(parse_budget(text, metric).judge(ours, base or ours, metric, split).values())


@pytest.mark.parametrize(
    ("text", "name", "upper", "value", "relative"),
    [
        ("accuracy>=-1pt", "accuracy", False, -0.01, True),
        ("accuracy >= 92 %", "accuracy", False, 0.92, False),
        ("accuracy>=0.92", "accuracy", False, 0.92, False),
        ("latency_p95<=5ms", "latency_p95", True, 5.0, False),
        ("latency<=0.5s", "latency", True, 500.0, False),
        ("latency-p99<=250us", "latency_p99", True, 0.25, False),
        ("size<=4MB", "size", True, 4e6, False),
        ("size<=4MiB", "size", True, 4 * 2**20, False),
        ("parameters<=1.5M", "parameters", True, 1.5e6, False),
        ("speedup>=9x", "speedup", False, 9.0, False),
        ("smaller>=4", "smaller", False, 4.0, False),
        ("macs<=2G", "macs", True, 2e9, False),
    ],
)
def test_clauses_are_read_with_their_units(text, name, upper, value, relative):
    (limit,) = parse_budget(text, "accuracy").limits
    assert (limit.name, limit.upper, limit.relative) == (name, upper, relative)
    assert limit.value == pytest.approx(value)


def test_several_clauses_and_empty_texts():
    budget = parse_budget("accuracy>=-1pt, latency_p95<=5ms,", "accuracy")
    assert [limit.text for limit in budget.limits] == ["accuracy>=-1pt", "latency_p95<=5ms"]
    assert budget.quality("accuracy") == budget.limits[0]
    assert budget.latency() == budget.limits[1]
    assert parse_budget("", "accuracy").limits == parse_budget(" , ", "accuracy").limits == ()
    assert Budget().latency() is None
    assert Budget.from_json(budget.to_json()) == budget


@pytest.mark.parametrize(
    ("text", "what", "help"),
    [
        ("acuracy>=-1pt", "nothing called 'acuracy' is measured", "did you mean 'accuracy'?"),
        ("latency_p90<=5ms", "nothing called 'latency_p90'", "did you mean 'latency_p"),
        ("accuracy=1", "cannot read 'accuracy=1'", "latency_p95<=5ms"),
        ("latency<=5lightyears", "unknown unit 'lightyears'", "ms, s"),
        ("latency<=5pt", "points belong to the metric", "accuracy>=-1pt"),
        ("latency<=0ms", "no model can keep this limit", "> 0"),
        ("size<=-4MB", "no model can keep this limit", "> 0"),
    ],
)
def test_what_is_no_clause_says_where_and_how(text, what, help):
    with pytest.raises(RecipeError, match=what) as caught:
        parse_budget(f"latency<=9ms, {text}", "accuracy")
    assert caught.value.where.startswith("budget")
    assert help in caught.value.help


@given(st.text(max_size=30))
@settings(max_examples=300)
def test_any_text_is_a_budget_or_a_recipe_error(text):
    try:
        budget = parse_budget(text, "accuracy")
    except RecipeError as error:
        assert error.where and error.help
    else:
        assert all(limit.text in text for limit in budget.limits)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 5))
@settings(max_examples=200)
def test_points_are_relative_to_the_base(ours, theirs, allowed):
    allowed = round(allowed, 2)
    assume(abs(theirs - ours - allowed / 100) > 1e-8)
    kept = verdicts(f"accuracy>=-{allowed}pt", point(ours), point(theirs)) == [True]
    assert kept == (ours >= theirs - allowed / 100)


def test_exactly_at_the_limit_is_kept():
    assert verdicts("accuracy>=-1pt", point(0.91), point(0.92)) == [True]
    assert verdicts("latency<=5ms", point(ms=5.0)) == [True]


@given(st.floats(0.01, 100), st.floats(0.01, 100))
@settings(max_examples=100)
def test_each_percentile_is_judged_by_itself(ms, limit):
    limit = round(limit, 3)
    assume(limit > 0)
    text = f"latency<={limit}ms, latency_p95<={limit}ms, latency_p99<={limit}ms"
    assert verdicts(text, point(ms=ms)) == [ms <= limit, 2 * ms <= limit, 3 * ms <= limit]


def test_the_split_that_was_asked_for_is_read():
    ours, base = point(0.90, test=0.95), point(0.95, test=0.95)
    assert verdicts("accuracy>=-1pt", ours, base, split="validation") == [False]
    assert verdicts("accuracy>=-1pt", ours, base, split="test") == [True]


def test_what_was_not_measured_is_neither_kept_nor_broken():
    text = "accuracy>=-1pt, accuracy>=0.5, latency<=5ms, size<=1MB, parameters<=1M, macs<=1M, memory<=1MB, speedup>=2x"
    assert verdicts(text, point()) == [None] * 8


def test_sizes_counts_and_ratios():
    found = {"a": 3.0, "b": 2.0}
    ratio = {shape: Ratio(baseline="base", value=value, low=value, high=value) for shape, value in found.items()}
    ours = point(ms=1, size_bytes=2_000_000, parameters=10, macs=100, smaller=4.0, speedup=ratio)
    assert verdicts("size<=2MB, size<=1.9MB, smaller>=4x, speedup>=2x, speedup>=2.5x", ours) == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert verdicts("parameters<=10, macs<=99, memory<=1KB", ours) == [True, False, True]
