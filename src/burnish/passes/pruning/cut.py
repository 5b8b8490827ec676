"""A cut on its way: the model, the shares it was to keep, and what happened."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from burnish.core.evidence import Change, Skip
from burnish.core.manifest import Record
from burnish.model.branch import branch_record, replay_branches
from burnish.model.surgery import resize_record, snapshot
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.pruning.prices import Amount, Prices


@dataclass(kw_only=True)
class Cut:
    """What became of `start` so far. `gone`: last layer of each branch that went whole -> the norm behind it.

    `reached` are the shares that it keeps, where it was made in one step.
    """

    start: Variant
    keep: Mapping[Amount, float]
    work: Variant
    notes: dict[str, Any]
    gone: dict[str, str] = field(default_factory=dict)
    skipped: list[Skip] = field(default_factory=list)
    prices: Prices | None = None
    reached: Mapping[Amount, float] = field(default_factory=dict)
    _score: float | None = None

    def score(self, context: Context) -> float:
        """The validation score, taken once: ask when the training is over."""
        if self._score is None:
            self._score = round(context.score(self.work.module), 5)
        return self._score

    def records(self) -> tuple[Record, ...]:
        """What leads from `start` here: first the branches that are gone, then the layers that changed their size."""
        if not self.gone:
            resized = resize_record(snapshot(self.start.module), self.work.module)
            return (resized,) if resized.data else ()
        branches = branch_record(self.work.module, self.gone)
        without = replay_branches(copy.deepcopy(self.start.module), branches)
        return (branches, resize_record(snapshot(without), self.work.module))

    def variant(self) -> Variant:
        """The model with all its records."""
        return Variant(module=self.work.module, records=(*self.start.records, *self.records()))

    def changes(self) -> tuple[Change, ...]:
        """Shapes of weights before and after, and branches that are gone."""
        before, changes = snapshot(self.start.module), []
        for name, now in snapshot(self.work.module).items():
            old, new = before[name][""].get("weight"), now[""].get("weight")
            if old is not None and new is not None and old != new:
                left = "x".join(map(str, old))
                changes.append(Change(where=name, what=f"{left} -> {'x'.join(map(str, new))}"))
        return (*changes, *(Change(where=last, what="its whole branch is gone") for last in self.gone))
