"""What a pruning criterion is: one number per channel of a group, low numbers go first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class GroupView:
    """A group as a criterion sees it.

    `producers`: one float tensor [C, K] per layer that makes the channels, row c the weights of
    channel c. `consumers`: likewise for layers that read them. `scales`: one tensor [C] per
    normalization layer. `gates`: [C], mean over batches of the squared derivative of the loss by
    a factor of 1 on the channel; None unless the criterion needs gradients. `seed`: for criteria
    that draw numbers.
    """

    name: str
    channels: int
    producers: tuple[Tensor, ...]
    consumers: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    gates: Tensor | None
    seed: int


class Criterion(ABC):
    """Scores channels. Stateless.

    `needs_gradients`: wants `gates`. `comparable`: scores are changes of the loss, so groups can
    be compared without scaling each to a mean of one.
    """

    needs_gradients: ClassVar[bool] = False
    comparable: ClassVar[bool] = False

    @abstractmethod
    def score(self, group: GroupView) -> Tensor:
        """[C], finite, >= 0. Raises `Unsupported` when the group lacks what is scored."""
