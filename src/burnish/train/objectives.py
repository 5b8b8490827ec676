"""Objectives: what one training step minimizes. The plain one is the task's own loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from burnish.core.errors import RecipeError
from burnish.data.split import Batch
from burnish.model.variant import call
from burnish.train.losses import CrossEntropy, RowLoss
from burnish.train.settings import Loss
from burnish.train.weighting import Weighting


@dataclass(frozen=True)
class TaskObjective:
    """Calls the module on the batch and compares with the targets."""

    loss: Loss
    weighting: Weighting | None = None

    def __call__(self, module: nn.Module, batch: Batch) -> Tensor:
        """Scalar loss."""
        return self.of(call(module, batch.inputs), batch.targets, batch.rows)

    def of(self, outputs: tuple[Tensor, ...], targets: Tensor, rows: Tensor) -> Tensor:
        """Scalar loss of these outputs; `rows` are the row numbers of the split, on the processor."""
        if self.weighting is None:
            return self.loss(outputs, targets)
        losses = row_loss(self.loss).rows(outputs, targets)
        return (losses * self.weighting.weights(losses, rows)).mean()


def row_loss(loss: Loss) -> RowLoss:
    """The loss, which must tell the loss of each row. Raises `RecipeError` when it does not."""
    if isinstance(loss, RowLoss):
        return loss
    raise RecipeError(
        "rows can only be weighed with a loss that tells the loss of each row",
        where="weighting",
        why=f"this workload's loss is {loss}",
        help="leave weighting and curriculum empty, or make the loss a burnish.train.losses.RowLoss",
    )


def task(loss: Loss, *, label_smoothing: float = 0.0, weighting: Weighting | None = None) -> TaskObjective:
    """The task's loss as an objective.

    Raises `RecipeError` when label smoothing is asked of a loss other than cross-entropy, or a weighting of one that
    does not tell the loss of each row.
    """
    if weighting is not None:
        row_loss(loss)
    if label_smoothing > 0:
        if not isinstance(loss, CrossEntropy):
            raise RecipeError(
                "label_smoothing needs the cross-entropy loss",
                where="label_smoothing",
                why=f"this workload's loss is {loss}",
                help="set label_smoothing to 0",
            )
        loss = CrossEntropy(label_smoothing)
    return TaskObjective(loss, weighting)
