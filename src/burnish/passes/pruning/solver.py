"""How many blocks each group keeps: the least loss of score for the cost that must go.

`greedy` looks, at every step, at all narrower widths of all groups and takes the one that loses
least score per unit of cost. Looking past the next width lets it jump a flat stair (time does not
fall with every channel). Its last jump may go far below the target: `refined` then widens groups again, one
at a time or against a narrower other one. `by_ratio` removes the lowest blocks of each scope.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

Widths = dict[str, int]
Cost = Callable[[Mapping[str, int]], float]
Move = tuple[float, str, int]
"""Score lost by it, group, new width."""

_EPSILON = 1e-6
"""Of all score: less than that is rounding."""


def loss_of(scores: Mapping[str, Tensor], widths: Mapping[str, int]) -> float:
    """Sum of the scores of all blocks that go when each group keeps its best `widths`."""
    return sum(lost[-1 - widths[name]] for name, lost in _lost(scores).items())


def greedy(scores: Mapping[str, Tensor], choices: Mapping[str, Sequence[int]], cost: Cost, target: float) -> Widths:
    """Widths (in blocks) whose cost is at most `target`, or the narrowest reachable ones.

    `choices[name]` are the allowed widths, the full one included.
    """
    lost = _lost(scores)
    widths = {name: max(choices[name]) for name in scores}
    now = cost(widths)
    while now > target:
        best: tuple[float, str, int, float] | None = None
        for name, score in scores.items():
            full, width = len(score), widths[name]
            for narrower in choices[name]:
                if narrower >= width:
                    continue
                after = cost({**widths, name: narrower})
                saved = now - max(after, target)
                if saved <= 0:
                    continue
                price = (lost[name][full - narrower] - lost[name][full - width]) / saved
                if best is None or price < best[0]:
                    best = (price, name, narrower, after)
        if best is None:
            return widths
        widths[best[1]], now = best[2], best[3]
    return widths


def refined(
    scores: Mapping[str, Tensor], choices: Mapping[str, Sequence[int]], cost: Cost, target: float, widths: Widths
) -> Widths:
    """Widths that cost at most `target` too and lose no more score, where no exchange of one or two groups helps.

    `widths` cost at most `target`; otherwise they come back as they are.
    """
    if cost(widths) > target:
        return widths
    lost = _lost(scores)
    while True:
        wider: list[Move] = []
        narrower: list[Move] = []
        for name, score in scores.items():
            now = lost[name][len(score) - widths[name]]
            for width in choices[name]:
                if width != widths[name]:
                    more = lost[name][len(score) - width] - now
                    (wider if more < 0 else narrower).append((more, name, width))
        gain = _EPSILON * sum(lost[name][-1] for name in scores)
        pairs = (
            (more + less, {wide: width, name: narrow})
            for (more, wide, width), (less, name, narrow) in itertools.product(wider, narrower)
            if name != wide and more + less < -gain
        )
        singles = ((more, {wide: width}) for more, wide, width in wider if more < -gain)
        ordered = sorted(itertools.chain(singles, pairs), key=lambda exchange: exchange[0])
        for _, exchange in ordered:
            if cost({**widths, **exchange}) <= target:
                widths = {**widths, **exchange}
                break
        else:
            return widths


def by_ratio(
    scores: Mapping[str, Tensor], choices: Mapping[str, Sequence[int]], scope: Mapping[str, str], ratio: float
) -> Widths:
    """In every scope, the lowest `ratio` of all blocks go; widths rounded to allowed ones.

    Groups with the same `scope[name]` are ranked together.
    """
    widths: Widths = {}
    for key in sorted({scope[name] for name in scores}):
        inside = [name for name in scores if scope[name] == key]
        pool = sorted(float(value) for name in inside for value in scores[name])
        count = round(ratio * len(pool))
        limit = pool[count - 1] if count else float("-inf")
        for name in inside:
            left = len(scores[name]) - int((scores[name] <= limit).sum())
            widths[name] = min(choices[name], key=lambda width: (abs(width - left), -width))
    return widths


def ratio_for(widths_at: Callable[[float], Widths], cost: Cost, target: float) -> Widths:
    """The smallest ratio, to 1/256, whose widths cost at most `target`; else the largest ratio's."""
    low, high = 0, 256
    while low < high:
        middle = (low + high) // 2
        if cost(widths_at(middle / 256)) <= target:
            high = middle
        else:
            low = middle + 1
    return widths_at(min(low, 256) / 256)


def _lost(scores: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """What each group loses when its lowest 0, 1, 2, ... blocks go."""
    return {name: [0.0, *score.sort().values.cumsum(0).tolist()] for name, score in scores.items()}
