"""What a training run did."""

from __future__ import annotations

from typing import Any

from burnish.core.noun import Noun
from burnish.train.checkpoint import EpochRecord
from burnish.train.memory import StateBytes


class FitResult(Noun):
    """What a training run did. `best_epoch` counts from 0; None without a score.

    `stopped` says why it ended; `seconds` is the time spent, over all resumed parts; `skipped_steps` had gradients
    that fp16 could not hold. `wait_share` is the part of the time of training steps that was spent waiting for
    batches, since the last start. `compiled` says what a compiled model's first step took, `optimizer_reason` why
    `auto` took this optimizer, `weighting` what it made of the rows. On several ranks, `predicted` and `measured` are
    the bytes of model state of the first one.
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
    weighting: str = ""
    strategy: str = "single"
    ranks: int = 1
    predicted: StateBytes | None = None
    measured: StateBytes | None = None

    def notes(self) -> dict[str, Any]:
        """What a pass says of it, as plain JSON; what did not happen is left out."""
        always = {
            "epochs": self.epochs_run,
            "best epoch": self.best_epoch,
            "scores": [round(row.score, 5) for row in self.history if row.score is not None],
            "seconds": round(self.seconds, 1),
            "precision": self.precision_reason,
            "device": self.device,
            "waiting for rows": f"{self.wait_share:.1%} of the training time",
        }
        shared = {"strategy": self.strategy, "ranks": self.ranks} if self.ranks > 1 else {}
        sometimes = {
            "weighting": self.weighting,
            "optimizer": self.optimizer_reason,
            "compiled": self.compiled,
            "skipped steps": self.skipped_steps,
        }
        return always | {name: value for name, value in sometimes.items() if value} | shared
