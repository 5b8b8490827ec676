"""Layers that INT8 harms go back to floating point: one, two, four ... more at a time, until the score holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

_FUTILE = 2


@dataclass(frozen=True)
class Rounded:
    """A module with fake-quantize nodes, its validation score, and the layers left in floating point."""

    module: nn.Module
    score: float
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fallback:
    """How far to go: the score wanted, the most layers in floating point, how a module is scored."""

    limit: float
    most: int
    score: Callable[[nn.Module], float]

    def __call__(
        self,
        first: Rounded,
        order: Callable[[nn.Module], Sequence[str]],
        rebuild: Callable[[Sequence[str]], nn.Module],
    ) -> tuple[Rounded, list[dict[str, float]]]:
        """The best of the tries, and all of them.

        `order` names the layers of a module, the noisiest first; it is asked once, when the first score is too
        low. `rebuild` makes the module anew with the named layers in floating point. Two tries in a row that
        help nothing end it.
        """
        best, tries = first, [_row(first)]
        if first.score >= self.limit or len(first.float_layers) >= self.most:
            return best, tries
        left = [name for name in order(first.module) if name not in first.float_layers]
        left = left[: self.most - len(first.float_layers)]
        more, futile = 1, 0
        while futile < _FUTILE:
            layers = (*first.float_layers, *left[:more])
            if len(layers) == int(tries[-1]["float layers"]):
                break
            module = rebuild(layers)
            found = Rounded(module, self.score(module), layers)
            tries.append(_row(found))
            futile += 1
            if found.score > best.score:
                best, futile = found, 0
            if best.score >= self.limit:
                break
            more *= 2
        return best, tries


def _row(found: Rounded) -> dict[str, float]:
    return {"float layers": len(found.float_layers), "score": round(found.score, 5)}
