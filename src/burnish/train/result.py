"""What a training run did."""

from __future__ import annotations

from burnish.core.noun import Noun
from burnish.train.checkpoint import EpochRecord
from burnish.train.memory import StateBytes


class FitResult(Noun):
    """What a training run did. `best_epoch` counts from 0; None without a score.

    `stopped` says why it ended; `seconds` is the time spent, over all resumed parts; `skipped_steps` had gradients
    that fp16 could not hold. `wait_share` is the part of the time of training steps that was spent waiting for
    batches, since the last start. `compiled` says what a compiled model's first step took, `optimizer_reason` why
    `auto` took this optimizer. On several ranks,
    `predicted` and `measured` are the bytes of model state of the first one.
    """

    epochs_run: float
    history: tuple[EpochRecord, ...]
    best_epoch: int | None
    steps: int
    seconds: float
    precision_reason: str
    device: str
    stopped: str
    skipped_steps: int = 0
    wait_share: float = 0.0
    compiled: str = ""
    optimizer: str = ""
    optimizer_reason: str = ""
    strategy: str = "single"
    ranks: int = 1
    predicted: StateBytes | None = None
    measured: StateBytes | None = None
