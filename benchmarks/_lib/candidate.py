"""What is compared: one built model, how to load it, and everything measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.core.measurement import LatencyProfile, Measurement

BASE = "eager fp32"
OURS = "burnish"
MODULE = "module"


@dataclass(kw_only=True)
class Candidate:
    """A candidate. `kind` is base, eager, peer or ours; `family` groups the settings of one tool.

    `backend` is the name of a Burnish backend, or "module" for the real `nn.Module` in torch.
    `only` names the one served shape it is for; "" is all. `error` says why it has no numbers.
    """

    label: str
    family: str
    kind: str
    int8: bool = False
    backend: str = ""
    folder: Path = Path()
    options: Mapping[str, Any] = field(default_factory=dict)
    only: str = ""
    error: str = ""
    size_bytes: int = 0
    validation: float | None = None
    test: Measurement | None = None
    test_delta: Measurement | None = None
    latency: dict[str, LatencyProfile] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON without paths."""
        return {
            "label": self.label,
            "family": self.family,
            "kind": self.kind,
            "int8": self.int8,
            "options": dict(self.options),
            "error": self.error,
            "size_bytes": self.size_bytes,
            "validation": self.validation,
            "test": None if self.test is None else self.test.model_dump(mode="json"),
            "test_delta": None if self.test_delta is None else self.test_delta.model_dump(mode="json"),
            "latency": {shape: profile.model_dump(mode="json") for shape, profile in self.latency.items()},
            "notes": self.notes,
        }
