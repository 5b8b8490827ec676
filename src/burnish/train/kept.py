"""What a run decided, beside its checkpoint: a run that goes on must decide alike."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.core.files import write_text


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One decision, `name`, as plain JSON. `key` names the run; without a checkpoint nothing is kept."""

    checkpoint: Path | None
    key: str
    name: str

    def read(self) -> Any:
        """What was written for this run; None when that is nothing."""
        if self.checkpoint is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found = json.loads(self._path(self.checkpoint).read_text())
                return found["value"] if found["key"] == self.key else None
        return None

    def write(self, value: Any) -> None:
        """Write it down. Raises `OutputError`."""
        if self.checkpoint is not None:
            write_text(self._path(self.checkpoint), json.dumps({"key": self.key, "value": value}))

    def _path(self, checkpoint: Path) -> Path:
        return checkpoint.with_name(f"{checkpoint.name}.{self.name}.json")
