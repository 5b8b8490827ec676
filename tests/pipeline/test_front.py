from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from burnish.core.budget import Budget, parse_budget
from burnish.core.evidence import Point
from burnish.pipeline.front import latency_ms, mark
from tests.pipeline.fake import number, profile


def point(quality: float | None, ms: float, *, exact: bool = True, stage: int = 0) -> Point:
    return Point(
        stage=stage,
        label=f"{quality} in {ms}",
        backend="eager",
        options={},
        exact=exact,
        validation=None if quality is None else number(quality),
        latency={"batch 1": profile("a", ms)},
    )


def chosen(points: list[Point]) -> Point:
    (best,) = [p for p in points if p.chosen]
    return best


def test_the_fastest_inside_the_budget_is_chosen() -> None:
    points = [point(0.95, 10), point(0.945, 4), point(0.90, 1)]
    marked, broken = mark(points, parse_budget("accuracy>=-1pt", "accuracy"), "accuracy", True)
    assert latency_ms(chosen(marked)) == pytest.approx(4)
    assert broken == ()
    assert [p.on_front for p in marked] == [True, True, True]


def test_a_dominated_point_is_not_on_the_front() -> None:
    marked, _ = mark([point(0.95, 10), point(0.94, 12), point(0.95, 9)], Budget(), "accuracy", True)
    assert [p.on_front for p in marked] == [False, False, True]


def test_when_nothing_keeps_the_budget_the_best_so_far_is_returned_with_the_broken_clauses() -> None:
    budget = parse_budget("accuracy>=0.99, latency<=5ms", "accuracy")
    marked, broken = mark([point(0.95, 10), point(0.90, 4), point(0.91, 3)], budget, "accuracy", True)
    assert latency_ms(chosen(marked)) == pytest.approx(3)
    assert broken == ("accuracy>=0.99",)


def test_what_is_not_exact_is_never_chosen() -> None:
    marked, _ = mark([point(0.95, 10), point(0.95, 1, exact=False)], Budget(), "accuracy", True)
    assert latency_ms(chosen(marked)) == pytest.approx(10)
    assert not marked[1].on_front


def test_without_any_usable_point_the_base_is_returned() -> None:
    marked, _ = mark([point(None, 10), point(None, 1)], Budget(), "accuracy", True)
    assert marked[0].chosen and not marked[1].chosen


def test_smaller_can_be_better() -> None:
    points = [point(0.10, 10), point(0.11, 4), point(0.5, 1)]
    marked, _ = mark(points, parse_budget("mse<=0.2", "mse"), "mse", False)
    assert latency_ms(chosen(marked)) == pytest.approx(4)


Points = st.lists(
    st.builds(
        lambda quality, ms, exact: point(quality, ms, exact=exact),
        st.floats(0, 1) | st.none(),
        st.floats(0.1, 10),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def dominates(one: Point, other: Point) -> bool:
    assert one.validation is not None and other.validation is not None
    better = (one.validation.value, -latency_ms(one)), (other.validation.value, -latency_ms(other))
    return all(a >= b for a, b in zip(*better, strict=True)) and better[0] != better[1]


@given(Points, st.floats(0, 1), st.floats(0.1, 10))
@settings(max_examples=200)
def test_exactly_one_is_chosen_and_nothing_inside_the_budget_is_faster(
    points: list[Point], least: float, most_ms: float
) -> None:
    budget = parse_budget(f"accuracy>={least:.3f}, latency<={most_ms:.3f}ms", "accuracy")
    marked, broken = mark(points, budget, "accuracy", True)
    best = chosen(marked)
    usable = [p for p in marked if p.exact and p.validation is not None]
    assert [p.model_copy(update={"on_front": False, "chosen": False}) for p in marked] == points
    if not usable:
        assert best is marked[0]
        return

    def kept(p: Point) -> int:
        return sum(value is True for value in budget.judge(p, marked[0], "accuracy", "validation").values())

    assert kept(best) == max(map(kept, usable)) == 2 - len(broken)
    assert latency_ms(best) == min(latency_ms(p) for p in usable if kept(p) == kept(best))
    for p in usable:
        assert p.on_front == (not any(dominates(other, p) for other in usable))


@given(Points)
@settings(max_examples=100)
def test_what_is_chosen_is_never_dominated_by_what_keeps_the_budget(points: list[Point]) -> None:
    budget = parse_budget("accuracy>=0.5", "accuracy")
    marked, broken = mark(points, budget, "accuracy", True)
    best = chosen(marked)
    if broken or best.validation is None or not best.exact:
        return
    inside = [p for p in marked if p.exact and p.validation is not None and p.validation.value >= 0.5]
    assert not any(dominates(p, best) for p in inside)
