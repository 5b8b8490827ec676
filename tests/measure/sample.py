"""Candidates on the null backend, which waits as long as it is told."""

from pathlib import Path
from typing import Any

import numpy as np

from burnish.core.signature import Signature, TensorSpec
from burnish.measure.latency import Candidate

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", "length")),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 2)),),
)


def requests(count: int = 4, batch: int = 1) -> list[dict[str, Any]]:
    """Requests of growing length."""
    return [{"x": np.full((batch, i + 1), i, np.float32)} for i in range(count)]


def candidate(label: str, ms: float, folder: Path = Path(), **fields: Any) -> Candidate:
    """A candidate whose calls take `ms`."""
    values: dict[str, Any] = {"backend": "null", "options": {"ms": {"1": ms}}} | fields
    return Candidate(label=label, folder=folder, signature=SIGNATURE, **values)
