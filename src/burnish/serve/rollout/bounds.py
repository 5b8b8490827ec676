"""Bounds on a share that hold at every moment at once, so that one may look after each request.

A confidence sequence for the mean of values in [0, 1]: `share.upper(alpha)` lies above the true mean at all times
together with probability 1 - alpha, and so does `lower` below it. A fixed-sample test looked at again and again
would be wrong far more often than it says.

For each rate c the product of exp(c x_i - psi(c; p_i)), psi(c; p) = log(1 - p + p exp(c)), is a nonnegative
supermartingale, so by Ville's inequality it ever exceeds 1/alpha with probability alpha at most. psi is concave in p,
so the bound holds for the running mean of the p_i, which may drift. Rates are mixed on a fixed geometric grid.

Sources: Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
Annals of Statistics 49(2), 2021 (sub-Bernoulli processes); Robbins, "Statistical methods related to the law of the
iterated logarithm", Annals of Mathematical Statistics 41(5), 1970 (mixtures).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Rates = NDArray[np.floating]
_RATES: _Rates = 0.004 * 2.0 ** np.arange(12)
"""From the best for millions of values to the best for the first few dozen."""

_UP, _DOWN = np.expm1(_RATES), np.expm1(-_RATES)
_POINTS: _Rates = np.linspace(0.0, 1.0, 33)
_ROUNDS = 3
"""Each looks at 33 points of the interval that the one before left: bounds are exact to 0.00003, on the safe side."""


@dataclass(slots=True)
class Share:
    """Values in [0, 1] that were seen: how many, and their sum."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """Take one in."""
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float:
        """Mean of what was seen, 0 before the first."""
        return self.total / self.count if self.count else 0.0

    def upper(self, alpha: float) -> float:
        """No true mean above this is credible; 1 before the first value."""
        return self._bound(self.mean, 1.0, -_RATES, _DOWN, alpha)

    def lower(self, alpha: float) -> float:
        """No true mean below this is credible; 0 before the first value."""
        return self._bound(self.mean, 0.0, _RATES, _UP, alpha)

    def _bound(self, inside: float, outside: float, rates: _Rates, grown: _Rates, alpha: float) -> float:
        """Where the evidence against a mean reaches 1/alpha, between the observed mean and the end of [0, 1]."""
        if not self.count:
            return outside
        needed = math.log(len(rates) / alpha)
        for _ in range(_ROUNDS):
            points = inside + (outside - inside) * _POINTS
            exponents = rates * self.total - self.count * np.log1p(np.multiply.outer(points, grown))
            largest = exponents.max(axis=1)
            evidence = largest + np.log(np.exp(exponents - largest[:, None]).sum(axis=1))
            first = int(np.argmax(evidence >= needed)) if evidence[-1] >= needed else len(points) - 1
            inside, outside = float(points[max(first - 1, 0)]), float(points[first])
        return outside
