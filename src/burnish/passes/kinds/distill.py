"""Distill: trains the model to answer like the uncompressed one.

Logits with temperature, inner features, attention relations, each with its weight. The teacher is
the uncompressed ancestor in the same run. Recovery after `prune` and `quantize` uses the same
training; this pass is for more of it, or for a student that was made small by other means.

Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (2015). Costs a teacher forward
for every step, once per row when the training rows are not augmented.
"""

from __future__ import annotations

from typing import Any, ClassVar

from burnish.core.errors import Unsupported
from burnish.core.evidence import Change
from burnish.model.onnx_graph import refuse_graph
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.distillation.recover import Recover, recover
from burnish.train.settings import FitSettings


class Distill(Recover, Pass):
    """Train the model to answer like its uncompressed ancestor."""

    trains: ClassVar[bool] = True
    unseen: ClassVar[dict[str, Any]] = {"strategy": True}

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        """See `Pass.__call__`."""
        refuse_graph(variant.module, "trained")
        if self.teacher and context.teacher is None:
            raise Unsupported("there is no teacher yet", where="distill", help="put `fit` before it")
        work = variant.copy()
        notes = recover(work, context, self, label="distill")
        change = Change(where="all weights", what=f"trained {self.epochs:g} epochs on the teacher's answers")
        return Outcome(variant=work, changes=(change,), notes=notes)

    def trainings(self, base: FitSettings) -> tuple[FitSettings, ...]:
        """See `Pass.trainings`."""
        return (self.fit_settings(base),) if self.epochs else ()


PART = Distill
