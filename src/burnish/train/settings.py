"""How to train: one settings object for fit, recovery, distillation and QAT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from torch import Tensor, nn

from burnish.core.doors import OPTIMIZERS, STRATEGIES, WEIGHTINGS
from burnish.core.errors import RecipeError, UnknownName, did_you_mean
from burnish.core.noun import Field, Noun, model_validator
from burnish.data.split import Batch
from burnish.train.device import Device
from burnish.train.precision import Setting as Precision
from burnish.train.schedules import Schedule

Loss = Callable[[tuple[Tensor, ...], Tensor], Tensor]
"""Outputs of the model (always a tuple) and targets -> scalar loss."""

Objective = Callable[[nn.Module, Batch], Tensor]
"""What one training step minimizes: calls the module on the batch itself."""


AUTO = "auto"
"""The optimizer that is chosen by memory (see `advisor`)."""

UNSEEN = {"workers", "save_every_s", "strategy"}
"""Settings that do not change what comes out, but for rounding."""


class RowWeights(Noun):
    """How much each training row counts, wherever something trains."""

    weighting: str | None = Field(default=None, description="`burnish list weightings`; empty: all rows alike")
    weights: str | None = Field(default=None, description="file of `burnish data check --out`, for weighting: column")

    @model_validator(mode="after")
    def _weighting_known(self) -> Self:
        if self.weighting:
            WEIGHTINGS.check(self.weighting)
        if self.weighting == "column" and not self.weights:
            raise RecipeError(
                "the weighting column needs a file of weights",
                where="weights",
                help="set weights to the file that `burnish data check --out` wrote",
            )
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of weights."""
        return (Path(self.weights),) if self.weights else ()


class FitSettings(RowWeights):
    """Settings of one training run. `learning_rate` is the peak of the schedule."""

    epochs: float = Field(default=3.0, gt=0, description="passes over the training rows; parts of one are fine")
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    optimizer: str = Field(default="adamw", description="`burnish list optimizers`; auto is one whose state fits")
    weight_decay: float = Field(default=1e-2, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    schedule: Schedule = "one-cycle"
    t_0: float = Field(default=0.0, ge=0, description="epochs of the first cycle of cosine-restarts; 0 is all")
    t_mult: int = Field(default=2, ge=1, description="how many times longer each next cycle is")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps spent warming up")
    clip_norm: float = Field(default=1.0, ge=0, description="gradient norm limit; 0 is none")
    accumulate: int = Field(default=1, ge=1, description="batches whose gradients make one step")
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="decay of an average of the weights, scored and kept; 0: none"
    )
    weighting: str = Field(default="", description="`burnish list weightings`; empty: every row counts the same")
    weights: str = Field(default="", description="file of `burnish data check --out`, for the weighting column")
    weighting_warmup: float = Field(default=0.2, ge=0, lt=1, description="share of the steps before rows are weighed")
    curriculum: Literal["", "easy", "random"] = Field(
        default="", description="easy rows first, or random ones at the same pace; empty: all rows from the start"
    )
    curriculum_stages: int = Field(default=1, ge=1, description="how often more rows come in")
    curriculum_start: float = Field(default=0.9, gt=0, le=1, description="share of the rows in the first stage")
    curriculum_share: float = Field(default=0.15, gt=0, le=1, description="share of the run until all rows are in")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    precision: Precision = Field(default="auto", description="auto is the faster one of those that the device has")
    device: Device = Field(default="auto", description="auto is a GPU where there is one")
    compile: bool = Field(default=False, description="torch.compile of the model while it trains, on one device")
    checkpoint_activations: bool = Field(
        default=False, description="keep only the inputs of blocks and compute the rest again: less memory, more time"
    )
    strategy: str = Field(default="auto", description="`burnish list strategies`; auto is the least that fits")
    patience: int = Field(default=0, ge=0, description="epochs without a better validation score before stopping")
    keep_best: bool = Field(default=True, description="end with the epoch that scored best on validation")
    workers: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="threads that prepare the next batches; by default 1 for a GPU, else none",
    )
    save_every_s: float = Field(default=60.0, ge=1, le=3600, description="seconds between checkpoints in an epoch")

    @model_validator(mode="after")
    def _known(self) -> FitSettings:
        check_optimizer(self.optimizer)
        if self.strategy != "auto":
            STRATEGIES.check(self.strategy)
        return self


def check_optimizer(name: str) -> None:
    """Raises `UnknownName`."""
    known = (AUTO, *OPTIMIZERS.names())
    if name not in known:
        raise UnknownName(f"unknown optimizer {name!r}", help=did_you_mean(name, known))
