"""Training after surgery or fake-quantization, with the uncompressed model as teacher."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

from torch import nn

from burnish.core.doors import STRATEGIES
from burnish.core.errors import RecipeError
from burnish.core.noun import Field, model_validator
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.distillation.objective import TeacherCache, Weights, distill_objective
from burnish.passes.together import Order, on_ranks, together
from burnish.train.advisor import refuse_rate
from burnish.train.device import choose_device, moved
from burnish.train.loop import fit
from burnish.train.norms import settle
from burnish.train.objectives import row_loss, task
from burnish.train.samples import Samples, measure_difficulty
from burnish.train.settings import AUTO, FitSettings, RowWeights, check_optimizer
from burnish.train.weighting import build_weighting


class Recover(RowWeights, Weights):
    """Settings of a recovery. What is not set is taken from the workload's own training."""

    epochs: float = Field(default=3.0, ge=0, description="passes over the training rows; 0 is none")
    learning_rate: float | None = Field(
        default=None, gt=0, description="peak; unset: a third of the workload's, with the rounding a twentieth"
    )
    optimizer: str | None = Field(
        default=None, description="unset: the workload's; auto is one whose state fits, with AdamW's learning_rate"
    )
    weight_decay: float | None = Field(
        default=None, ge=0, description="unset: the workload's; with a teacher less can be better"
    )
    teacher: bool = Field(default=True, description="learn from the uncompressed model, not only from labels")
    patience: int = Field(default=0, ge=0)
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="decay of an average of the weights, scored and kept; 0: none"
    )
    weighting: str = Field(default="", description="`burnish list weightings`, on the labels' part of the loss")
    weights: str = Field(default="", description="file of `burnish data check --out`, for weighting: column")
    curriculum: Literal["", "easy", "random"] = Field(
        default="", description="easy rows first (to the teacher, else to the model), or random ones; empty: all rows"
    )
    compile: bool = Field(default=False, description="torch.compile of the model while it trains, on one device")
    checkpoint_activations: bool = Field(default=False, description="less memory, more time")
    strategy: str = Field(
        default="auto", description="on several devices; `burnish list strategies`; auto is the least that fits"
    )
    unlabelled: bool = Field(default=True, description="learn from rows without labels too, where there are any")

    @model_validator(mode="after")
    def _can_be(self) -> Recover:
        if self.optimizer is not None:
            check_optimizer(self.optimizer)
        if self.strategy != "auto":
            STRATEGIES.check(self.strategy)
        if self.compile and (self.features or self.attention):
            raise RecipeError(
                "inner features cannot be watched in a compiled model", where="compile", help="set compile to false"
            )
        return self

    def forecast(self) -> str:
        """Short text for the plan."""
        if not self.epochs:
            return "no recovery"
        return f"recover {self.epochs:g} epochs" + (" with the teacher" if self.teacher else " on labels")

    def fit_settings(self, base: FitSettings) -> FitSettings:
        """The workload's training settings with this recovery's length and rate.

        The last weights stay unless it stops early: the schedule ends there, and the best of several noisy
        scores would be an earlier epoch by luck, with a validation score that flatters it.
        """
        if self.optimizer == AUTO:
            refuse_rate(self.learning_rate, base)
        rate = self.learning_rate or base.learning_rate / 3
        early = self.patience > 0
        changes = {
            "epochs": self.epochs,
            "learning_rate": rate,
            "optimizer": self.optimizer or base.optimizer,
            "weight_decay": base.weight_decay if self.weight_decay is None else self.weight_decay,
            "patience": self.patience,
            "keep_best": early,
            "ema": self.ema,
            "weighting": self.weighting,
            "weights": self.weights,
            "curriculum": self.curriculum,
            "compile": self.compile,
            "checkpoint_activations": self.checkpoint_activations,
            "strategy": self.strategy,
        }
        return base.model_copy(update=changes)


def recover(
    variant: Variant, context: Context, settings: Recover, *, label: str, teacher: Variant | None = None
) -> dict[str, Any]:
    """Train the variant's module in place and leave it in evaluation mode; what happened, as plain JSON.

    Nothing is done when `epochs` is 0. The teacher is `teacher`, else the context's. Where the context has a team it
    takes part, for which the variants need their records (see `together`).
    """
    if not settings.epochs:
        return {"epochs": 0}
    order = Order(kind="recover", label=label, settings=settings.model_dump(mode="json"))
    body = partial(retrain, settings=settings, label=label)
    return together(order, body, variant, context, teacher=teacher if settings.teacher else None)


def retrain(
    module: nn.Module, context: Context, teacher: nn.Module | None = None, *, settings: Recover, label: str
) -> dict[str, Any]:
    """What every rank of a recovery does. The teacher's answers are cached when the training rows are not augmented
    and every row's answer has the same shape.
    """
    chosen = on_ranks(settings.fit_settings(context.fit), context.ranks)
    weighting = build_weighting(chosen, context.train)
    on_labels = task(context.loss, label_smoothing=context.fit.label_smoothing, weighting=weighting)
    guide = (teacher if teacher is not None else context.teacher) if settings.teacher else None
    rows = context.train
    if guide is not None:
        same = all(isinstance(dim, int) for spec in context.signature.outputs for dim in spec.shape[1:])
        fixed = context.train.augment is None and same
        if settings.unlabelled and context.unlabelled is not None:
            rows = rows.with_unlabelled(context.unlabelled)
        if len(rows) > len(context.train) and settings.curriculum == "easy":
            raise RecipeError(
                "rows without labels have no difficulty", where="curriculum", help="set unlabelled to false"
            )
        cache = TeacherCache(guide, len(rows)) if fixed else None
        objective = distill_objective(
            guide, on_labels.loss, settings, cache, labelled=len(context.train), weighting=weighting
        )
    else:
        objective = on_labels
    difficulty = None
    if settings.curriculum == "easy":
        judge = guide if guide is not None else module
        with moved(judge, choose_device(chosen.device)):
            difficulty = measure_difficulty(judge, context.train, row_loss(context.loss))
    teaching = nullcontext() if guide is None else moved(guide, choose_device(chosen.device))
    with teaching:
        result = fit(
            module,
            rows,
            objective=objective,
            settings=chosen,
            seed=context.seed,
            score=context.score,
            samples=Samples(weighting=weighting, difficulty=difficulty, every=guide is not None),
            checkpoint=None if context.scratch is None else context.scratch / _file_name(label),
            progress=context.progress,
            label=label,
            ranks=context.ranks,
        )
    module.eval()
    if result.steps:
        settle(
            module,
            rows,
            chosen,
            seed=context.seed,
            epoch=math.ceil(settings.epochs),
            progress=context.progress,
            label=f"{label}: statistics",
        )
    return {**result.notes(), "rows": len(rows), "teacher": guide is not None}


def _file_name(label: str) -> str:
    return label.replace("/", "-of-").replace(" ", "-")
