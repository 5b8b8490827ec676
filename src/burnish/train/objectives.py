"""Objectives: what one training step minimizes. The plain one is the task's own loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from burnish.core.errors import RecipeError
from burnish.data.split import Batch
from burnish.model.variant import call
from burnish.train.losses import CrossEntropy
from burnish.train.settings import Loss


@dataclass(frozen=True)
class TaskObjective:
    """Calls the module on the batch and compares with the targets."""

    loss: Loss

    def __call__(self, module: nn.Module, batch: Batch) -> Tensor:
        """Scalar loss."""
        return self.loss(call(module, batch.inputs), batch.targets)


def task(loss: Loss, *, label_smoothing: float = 0.0) -> TaskObjective:
    """The task's loss as an objective.

    Raises `RecipeError` when label smoothing is asked of a loss other than cross-entropy.
    """
    if label_smoothing > 0:
        if not isinstance(loss, CrossEntropy):
            raise RecipeError(
                "label_smoothing needs the cross-entropy loss",
                where="label_smoothing",
                why=f"this workload's loss is {loss}",
                help="set label_smoothing to 0",
            )
        loss = CrossEntropy(label_smoothing)
    return TaskObjective(loss)
