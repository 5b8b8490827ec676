from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from burnish.passes.quantization.fallback import Fallback, Rounded

LAYERS = ["a", "b", "c", "d", "e", "f"]


class Net(nn.Module):
    """A module that knows which of its layers are in floating point."""

    def __init__(self, layers: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.layers = layers


def run(scores: dict[int, float], limit: float, most: int, first: tuple[str, ...] = ()) -> tuple[Rounded, list[int]]:
    def score(module: nn.Module) -> float:
        return scores[len(module.layers)]

    start = Rounded(Net(first), scores[len(first)], first)
    best, tries = Fallback(limit, most, score)(start, lambda module: LAYERS, lambda layers: Net(tuple(layers)))
    assert best.module.layers == best.float_layers and best.score == score(best.module)
    return best, [int(row["float layers"]) for row in tries]


def test_it_stops_where_the_score_holds() -> None:
    best, tries = run({0: 0.5, 1: 0.6, 2: 0.7, 4: 0.9, 6: 1.0}, limit=0.8, most=6)
    assert (best.float_layers, tries) == (("a", "b", "c", "d"), [0, 1, 2, 4])


def test_layers_that_are_in_floating_point_stay_there_and_count() -> None:
    best, tries = run({1: 0.5, 2: 0.6, 3: 0.9}, limit=0.8, most=3, first=("b",))
    assert (best.float_layers, tries) == (("b", "a", "c"), [1, 2, 3])


def test_a_good_score_needs_no_order() -> None:
    asked: list[nn.Module] = []
    start = Rounded(Net(), 0.9)
    fallback = Fallback(0.9, 8, lambda module: 0.0)
    best, tries = fallback(start, lambda module: asked.append(module) or LAYERS, lambda layers: Net(tuple(layers)))
    assert best is start and len(tries) == 1 and not asked


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7), st.floats(0, 1), st.integers(0, 8))
def test_the_best_try_comes_back_and_no_more_layers_than_allowed(values: list[float], limit: float, most: int) -> None:
    best, tries = run(dict(enumerate(values)), limit, most)
    assert best.score == max(values[n] for n in tries)
    assert tries[0] == 0 and tries == sorted(set(tries)) and tries[-1] <= min(most, len(LAYERS))
    assert all(values[n] < limit for n in tries[:-1])
