"""Losses: the model's outputs (a tuple; the first one counts) and targets to one number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


class RowLoss(ABC):
    """A loss that is the mean of one loss per row. A loss of your own must be one to be weighed by row."""

    @abstractmethod
    def __call__(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Scalar loss in fp32, the mean of `rows`."""

    @abstractmethod
    def rows(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Loss of each row, fp32 [N]."""


@dataclass(frozen=True)
class CrossEntropy(RowLoss):
    """Cross-entropy of logits [N, C, ...] and class numbers [N, ...], averaged over rows."""

    label_smoothing: float = 0.0

    def __call__(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Scalar loss in fp32."""
        return F.cross_entropy(outputs[0].float(), targets.long(), label_smoothing=self.label_smoothing)

    def rows(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Loss of each row, fp32 [N]."""
        smoothing = self.label_smoothing
        found = F.cross_entropy(outputs[0].float(), targets.long(), label_smoothing=smoothing, reduction="none")
        return found.reshape(len(targets), -1).mean(1)


@dataclass(frozen=True)
class MeanSquaredError(RowLoss):
    """Mean squared error of predictions [N, ...] and targets of the same number of elements."""

    def __call__(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Scalar loss in fp32."""
        return F.mse_loss(outputs[0].float(), targets.float().reshape(outputs[0].shape))

    def rows(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """Loss of each row, fp32 [N]."""
        found = F.mse_loss(outputs[0].float(), targets.float().reshape(outputs[0].shape), reduction="none")
        return found.reshape(len(targets), -1).mean(1)


def cross_entropy(label_smoothing: float = 0.0) -> CrossEntropy:
    """The loss of classification. `label_smoothing` is the share of the target given to all classes."""
    return CrossEntropy(label_smoothing)


def mse() -> MeanSquaredError:
    """The loss of regression."""
    return MeanSquaredError()
