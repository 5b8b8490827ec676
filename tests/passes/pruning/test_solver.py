from __future__ import annotations

import itertools
from collections.abc import Mapping

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from burnish.passes.pruning import solver
from burnish.passes.pruning.costs import LayerCost, ProductCost, TableCost


@st.composite
def problems(draw: st.DrawFn) -> tuple[dict[str, torch.Tensor], dict[str, list[int]]]:
    names = [f"g{i}" for i in range(draw(st.integers(1, 3)))]
    scores = {}
    choices = {}
    for name in names:
        count = draw(st.integers(2, 5))
        values = draw(st.lists(st.floats(0, 10, allow_nan=False), min_size=count, max_size=count))
        scores[name] = torch.tensor(values, dtype=torch.float64)
        inner = draw(st.sets(st.integers(1, count - 1), min_size=1))
        choices[name] = [*sorted(inner), count]
    return scores, choices


@given(problems(), st.floats(0.05, 1.0))
@settings(max_examples=150)
def test_greedy_reaches_every_target_that_can_be_reached(
    problem: tuple[dict[str, torch.Tensor], dict[str, list[int]]], share: float
) -> None:
    scores, choices = problem

    def cost(widths: dict[str, int]) -> float:
        return float(sum(widths.values()))

    target = share * sum(len(s) for s in scores.values())
    widths = solver.greedy(scores, choices, cost, target)
    assert all(widths[name] in choices[name] for name in scores)
    narrowest = sum(min(c) for c in choices.values())
    assert cost(widths) <= target or cost(widths) == narrowest


@given(problems(), st.floats(0.3, 0.95))
@settings(max_examples=100)
def test_greedy_loses_at_most_one_group_more_than_the_best_choice(
    problem: tuple[dict[str, torch.Tensor], dict[str, list[int]]], share: float
) -> None:
    scores, choices = problem

    def cost(widths: dict[str, int]) -> float:
        return float(sum(widths.values()))

    target = share * sum(len(s) for s in scores.values())
    reachable = [
        dict(zip(scores, combination, strict=True))
        for combination in itertools.product(*(choices[name] for name in scores))
        if sum(combination) <= target
    ]
    if not reachable:
        return
    best = min(solver.loss_of(scores, widths) for widths in reachable)
    found = solver.loss_of(scores, solver.greedy(scores, choices, cost, target))
    largest_group = max(float(s.sum()) for s in scores.values())
    assert found <= best + largest_group + 1e-9


@given(problems(), st.floats(0.3, 0.95), st.integers(1, 3))
@settings(max_examples=150)
def test_refined_widths_keep_the_target_and_no_exchange_of_two_groups_betters_them(
    problem: tuple[dict[str, torch.Tensor], dict[str, list[int]]], share: float, weight: int
) -> None:
    scores, choices = problem

    def cost(widths: Mapping[str, int]) -> float:
        return float(sum(width * weight if name == "g0" else width for name, width in widths.items()))

    target = share * cost({name: len(score) for name, score in scores.items()})
    start = solver.greedy(scores, choices, cost, target)
    if cost(start) > target:
        assert solver.refined(scores, choices, cost, target, start) == start
        return
    found = solver.refined(scores, choices, cost, target, start)
    assert cost(found) <= target
    loss = solver.loss_of(scores, found)
    assert loss <= solver.loss_of(scores, start)
    everything = sum(float(score.sum()) for score in scores.values())
    for first, second in itertools.product(scores, scores):
        for narrow, wide in itertools.product(choices[first], choices[second]):
            other = {**found, first: narrow, second: wide}
            assert cost(other) > target or solver.loss_of(scores, other) >= loss - 1e-5 * max(everything, 1)


def test_refining_takes_back_a_jump_that_went_too_far() -> None:
    scores = {"a": torch.tensor([0.5, 0.5]), "b": torch.tensor([1.0, 3.0])}
    choices = {"a": [1, 2], "b": [0, 2]}

    def cost(widths: Mapping[str, int]) -> float:
        return 2.0 * widths["a"] + 10.0 * widths["b"]

    start = solver.greedy(scores, choices, cost, 12.0)
    assert start == {"a": 1, "b": 0}
    assert solver.refined(scores, choices, cost, 12.0, start) == {"a": 2, "b": 0}


def test_greedy_takes_what_matters_least_where_it_costs_most() -> None:
    scores = {"cheap": torch.tensor([1.0, 1.0, 1.0, 1.0]), "dear": torch.tensor([1.0, 1.0, 1.0, 1.0])}
    choices = {"cheap": [1, 2, 3, 4], "dear": [1, 2, 3, 4]}
    cost = ProductCost([LayerCost(10, ("cheap",)), LayerCost(90, ("dear",))], {"cheap": 4, "dear": 4})
    assert solver.greedy(scores, choices, cost, 60) == {"cheap": 4, "dear": 2}


def test_greedy_jumps_a_flat_stair() -> None:
    scores = {"a": torch.tensor([1.0, 1.0, 1.0, 1.0])}
    table = TableCost(10.0, {"a": {1: 5.0, 2: 5.0, 3: 0.0}}, {"a": 4})
    assert solver.greedy(scores, {"a": [1, 2, 3, 4]}, table, 6.0) == {"a": 2}


@given(problems(), st.floats(0, 0.9))
@settings(max_examples=100)
def test_by_ratio_keeps_the_best_of_each_group(
    problem: tuple[dict[str, torch.Tensor], dict[str, list[int]]], ratio: float
) -> None:
    scores, _ = problem
    every = {name: list(range(1, len(score) + 1)) for name, score in scores.items()}
    local = solver.by_ratio(scores, every, {name: name for name in scores}, ratio)
    assert all(1 <= local[name] <= len(score) for name, score in scores.items())
    together = solver.by_ratio(scores, every, dict.fromkeys(scores, ""), 0.0)
    assert together == {name: len(score) for name, score in scores.items()}


def test_ratio_for_finds_the_smallest_ratio() -> None:
    scores = {"a": torch.arange(8, dtype=torch.float64)}
    every = {"a": list(range(1, 9))}
    cost = ProductCost([LayerCost(80, ("a",))], {"a": 8})
    found = solver.ratio_for(lambda ratio: solver.by_ratio(scores, every, {"a": "a"}, ratio), cost, 45)
    assert found == {"a": 4}


def test_product_cost_multiplies_both_sides_of_a_layer() -> None:
    cost = ProductCost([LayerCost(100, ("in", "out")), LayerCost(7, ())], {"in": 10, "out": 4})
    assert cost({"in": 5, "out": 1}) == 7 + 100 * 0.5 * 0.25


def test_table_cost_draws_lines_between_measured_widths() -> None:
    table = TableCost(10.0, {"a": {2: 4.0}}, {"a": 4})
    assert table({"a": 4}) == 10.0
    assert table({"a": 3}) == 8.0
    assert table({"a": 2}) == 6.0
    assert table({"a": 1}) == 6.0
