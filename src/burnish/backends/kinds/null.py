"""Pretends to run: zeros of the right shape, after a wait that the options give. For tests.

`{"ms": {"1": 5.0, "8": 20.0}}` waits 5 ms for a batch of one and 20 ms for eight; for other sizes
the value of the next smaller one counts. With `{"unit": {"length": 16}}` a row of length L counts as
L / 16 rows, rounded up: a device whose time goes with the tokens.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.backend import Arrays, Availability, Backend, Executable, Options
from burnish.backends.bundle import check_inputs
from burnish.core.errors import BurnishError
from burnish.core.evidence import Coverage
from burnish.core.signature import Signature

if TYPE_CHECKING:
    from burnish.model.variant import Program


class NullExecutable(Executable):
    """Waits and returns zeros."""

    def __init__(self, signature: Signature, wait_ms: dict[int, float], unit: dict[str, int]) -> None:
        self._signature = signature
        self._wait_ms = wait_ms
        self._unit = unit
        self._open = True

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Zeros by output name."""
        if not self._open:
            raise BurnishError("this executable is closed", help="load it again")
        sizes = check_inputs(inputs, self._signature)
        batch = next(iter(sizes.values()), 1)
        batch *= math.prod(math.ceil(sizes[name] / size) for name, size in self._unit.items())
        known = [size for size in self._wait_ms if size <= batch]
        if known:
            time.sleep(self._wait_ms[max(known)] / 1000)
        return {spec.name: np.zeros(spec.resolve(**sizes), spec.dtype) for spec in self._signature.outputs}

    def close(self) -> None:
        """Refuse further calls."""
        self._open = False


class Null(Backend):
    """Runs nothing."""

    name = "null"
    pretends = True

    def available(self) -> Availability:
        """Always."""
        return Availability(ok=True)

    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """Nobody wants to measure it."""
        del precision
        return ()

    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Leave a mark in the folder."""
        (folder / "null.json").write_text(json.dumps({"precision": program.precision, "options": dict(options)}))

    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """An executable with the waits of the options."""
        del folder, threads
        table = {int(size): float(wait) for size, wait in dict(options.get("ms", {})).items()}
        return NullExecutable(signature, table, dict(options.get("unit", {})))

    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Unknown."""
        del folder, options
        return None


PART = Null()
