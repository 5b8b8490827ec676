"""What was computed before, by content: the same inputs, settings, code, data and seed.

An entry is a folder named by its key, written whole or not at all. It holds the variant (records
and weights) and what the pass said. A pass that failed is never stored.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from burnish.core.errors import ArtifactError
from burnish.core.evidence import Change, Coverage, Skip
from burnish.core.files import new_folder, write_text
from burnish.core.manifest import Record
from burnish.model.replay import replay
from burnish.model.weights import load_state, save_state
from burnish.passes.base import Outcome


def cache_root() -> Path:
    """`$BURNISH_CACHE`, else `burnish` in the user's cache folder."""
    given = os.environ.get("BURNISH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(given) if given else Path(base) / "burnish"


class VariantCache:
    """Outcomes on disk, by key."""

    def __init__(self, root: Path) -> None:
        self._root = root / "variants"
        self._scratch = root / "scratch"

    def __contains__(self, key: str) -> bool:
        return (self._root / key / "outcome.json").exists()

    def scratch(self, key: str) -> Path:
        """A place for checkpoints of the pass with this key."""
        return self._scratch / key

    def store(self, key: str, outcome: Outcome, seconds: float) -> None:
        """Write an outcome; its checkpoints are removed. Raises `OutputError`."""
        data = {
            "records": [record.model_dump(mode="json") for record in outcome.variant.records],
            "changes": [change.model_dump() for change in outcome.changes],
            "skipped": [skip.model_dump() for skip in outcome.skipped],
            "notes": outcome.notes,
            "coverage": None if outcome.coverage is None else outcome.coverage.model_dump(mode="json"),
            "seconds": seconds,
        }
        with new_folder(self._root / key) as folder:
            save_state(outcome.variant.module, folder / "weights.safetensors")
            write_text(folder / "outcome.json", json.dumps(data))
        shutil.rmtree(self.scratch(key), ignore_errors=True)

    def load(self, key: str, build: Callable[[], nn.Module]) -> tuple[Outcome, float]:
        """The outcome and the seconds it took. Raises `ArtifactError` when the entry is damaged."""
        folder = self._root / key
        try:
            data: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
        except (OSError, json.JSONDecodeError):
            raise ArtifactError("a cache entry is damaged", where=str(folder), help="remove that folder") from None
        variant = replay(build(), [Record.model_validate(record) for record in data["records"]])
        load_state(variant.module, folder / "weights.safetensors")
        coverage = data["coverage"]
        outcome = Outcome(
            variant=variant,
            changes=tuple(Change.model_validate(row) for row in data["changes"]),
            skipped=tuple(Skip.model_validate(row) for row in data["skipped"]),
            notes=data["notes"],
            coverage=None if coverage is None else Coverage.model_validate(coverage),
        )
        return outcome, float(data["seconds"])
