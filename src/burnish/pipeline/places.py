"""Where the survivors of a run are built for the final comparison."""

from __future__ import annotations

from collections.abc import Sequence


def places(
    precisions: Sequence[str], targets: Sequence[str], everywhere: Sequence[str], fastest: str
) -> list[list[str]]:
    """Names of the backends that each survivor is built on, the base first: its target, where passes measure.

    The first and the last go to `everywhere`. The last one in floating point may be faster than what came of it:
    it also goes to the backend that ran the base fastest ("" when that is not known).
    """
    last = len(precisions) - 1
    plain = max((i for i, precision in enumerate(precisions) if precision == "fp32"), default=0)
    found = [[target] for target in targets]
    if fastest and fastest not in found[plain]:
        found[plain].append(fastest)
    if everywhere:
        found[0], found[last] = list(everywhere), list(everywhere)
    return found
