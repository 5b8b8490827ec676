"""Fit: trains the model on the task.

Starts from what the workload gives (fresh or pretrained weights), stops early when validation no
longer improves, keeps the best epoch, and goes on from its last checkpoint after an interruption.
The model it gives is the teacher and the baseline of all later passes.

Costs the epochs it is told. Sources: Loshchilov & Hutter (ICLR 2019) for AdamW, Smith & Topin (2018)
for the one-cycle schedule.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import nn

from burnish.core.doors import STRATEGIES
from burnish.core.evidence import Change
from burnish.core.noun import Field, model_validator
from burnish.model.onnx_graph import refuse_graph
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.together import Order, on_ranks, together
from burnish.train.advisor import refuse_rate
from burnish.train.loop import fit
from burnish.train.objectives import row_loss, task
from burnish.train.precision import Setting as Precision
from burnish.train.samples import Floats, Samples, measure_difficulty
from burnish.train.schedules import Schedule
from burnish.train.settings import AUTO, FitSettings, RowWeights, check_optimizer
from burnish.train.weighting import build_weighting


class Fit(RowWeights, Pass):
    """Train the model on the task."""

    trains: ClassVar[bool] = True
    unseen: ClassVar[dict[str, Any]] = {"strategy": True}

    epochs: float | None = Field(default=None, gt=0, description="passes over the training rows")
    learning_rate: float | None = Field(default=None, gt=0, description="peak of the schedule")
    batch_size: int | None = Field(default=None, ge=2)
    optimizer: str | None = Field(
        default=None, description="`burnish list optimizers`; auto is one whose state fits, with AdamW's learning_rate"
    )
    weight_decay: float | None = Field(default=None, ge=0)
    schedule: Schedule | None = None
    t_0: float | None = Field(default=None, ge=0, description="epochs of the first cycle of cosine-restarts")
    t_mult: int | None = Field(default=None, ge=1, description="how many times longer each next cycle is")
    warmup: float | None = Field(default=None, ge=0, lt=1, description="share of the steps spent warming up")
    momentum: float | None = Field(default=None, ge=0, lt=1, description="of sgd")
    clip_norm: float | None = Field(default=None, ge=0, description="gradient norm limit; 0 is none")
    label_smoothing: float | None = Field(default=None, ge=0, lt=1, description="of a cross-entropy")
    accumulate: int | None = Field(default=None, ge=1, description="batches whose gradients make one step")
    ema: float | None = Field(default=None, ge=0, lt=1, description="decay of an average of the weights; 0 is none")
    precision: Precision | None = None
    compile: bool | None = Field(default=None, description="torch.compile of the model while it trains, on one device")
    checkpoint_activations: bool | None = Field(default=None, description="less memory, more time")
    weighting_warmup: float | None = Field(default=None, ge=0, lt=1, description="share of the steps before that")
    curriculum: Literal["", "easy", "random"] | None = Field(default=None, description="which rows come first")
    curriculum_stages: int | None = Field(default=None, ge=1)
    curriculum_start: float | None = Field(default=None, gt=0, le=1, description="share of the rows in the first stage")
    curriculum_share: float | None = Field(default=None, gt=0, le=1, description="share of the run until all are in")
    patience: int | None = Field(default=None, ge=0, description="epochs without improvement before stopping")
    strategy: str | None = Field(default=None, description="on several devices; `burnish list strategies`")

    @model_validator(mode="after")
    def _known(self) -> Fit:
        if self.optimizer is not None:
            check_optimizer(self.optimizer)
        if self.strategy not in (None, "auto"):
            STRATEGIES.check(self.strategy)
        return self

    def forecast(self) -> str:
        """One line for the plan."""
        return "train on the task" + (f" for {self.epochs:g} epochs" if self.epochs else "")

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        """See `Pass.__call__`."""
        refuse_graph(variant.module, "trained")
        work = variant.copy()
        order = Order(kind="fit", label="fit", settings=self.model_dump(mode="json"))
        notes, change = together(order, self.train, work, context)
        return Outcome(variant=work, changes=(change,), notes=notes)

    def trainings(self, base: FitSettings) -> tuple[FitSettings, ...]:
        """See `Pass.trainings`."""
        given = {name: value for name, value in self.model_dump().items() if value is not None}
        if self.optimizer == AUTO:
            refuse_rate(self.learning_rate, base)
        return (base.model_copy(update=given),)

    def train(
        self, module: nn.Module, context: Context, teacher: nn.Module | None = None
    ) -> tuple[dict[str, Any], Change]:
        """Train in place and leave it in evaluation mode; what happened. All of the context's ranks call this."""
        del teacher
        settings = on_ranks(self.trainings(context.fit)[0], context.ranks)
        weighting = build_weighting(settings, context.train)
        difficulty = _difficulty(module, context, settings) if settings.curriculum == "easy" else None
        result = fit(
            module,
            context.train,
            objective=task(context.loss, label_smoothing=settings.label_smoothing, weighting=weighting),
            settings=settings,
            seed=context.seed,
            score=context.score,
            samples=Samples(weighting=weighting, difficulty=difficulty),
            checkpoint=None if context.scratch is None else context.scratch / "fit",
            progress=context.progress,
            label="fit",
            ranks=context.ranks,
        )
        module.eval()
        notes = result.notes()
        if context.by_class is not None:
            notes["worst classes"] = worst(context.by_class(module))
        change = Change(where="all weights", what=f"trained {result.steps} steps ({result.optimizer})")
        return notes, change


_TAIL = 3


def worst(by_class: Mapping[str, float]) -> dict[str, float]:
    """The three classes of lowest accuracy, lowest first."""
    return {name: round(by_class[name], 4) for name in sorted(by_class, key=lambda name: by_class[name])[:_TAIL]}


def _difficulty(module: nn.Module, context: Context, settings: FitSettings) -> Floats:
    """The loss of each row after a first training of one epoch, on a copy."""
    loss = row_loss(context.loss)
    plain = {"epochs": 1.0, "weighting": "", "curriculum": "", "patience": 0, "ema": 0.0}
    first = copy.deepcopy(module)
    fit(
        first,
        context.train,
        objective=task(loss),
        settings=settings.model_copy(update=plain),
        seed=context.seed,
        progress=context.progress,
        label="difficulty",
        ranks=context.ranks,
    )
    return measure_difficulty(first, context.train, loss)


PART = Fit
