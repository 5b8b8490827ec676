"""What a student minimizes: its teacher's answers beside the labels.

Logits: KL(teacher || student) of softened distributions, times T squared so that its gradients keep
their size (Hinton et al., 2015). For outputs that are not class scores (one column, or floats as
targets) the mean squared error to the teacher takes its place. Features and attention: see `relations`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from burnish.core.noun import Field, Noun
from burnish.data.split import Batch
from burnish.model.variant import as_tuple
from burnish.passes.distillation.relations import Watcher, attention_loss, feature_loss
from burnish.train.objectives import TaskObjective, task
from burnish.train.settings import Loss, Objective
from burnish.train.weighting import Weighting


class Weights(Noun):
    """How much each part of the objective counts."""

    temperature: float = Field(default=2.0, gt=0, description="softens both distributions")
    labels: float = Field(default=0.1, ge=0, description="weight of the task's own loss")
    logits: float = Field(default=0.9, ge=0, description="weight of the teacher's answers")
    features: float = Field(default=0.0, ge=0, description="weight of the similarity of inner features")
    attention: float = Field(default=0.0, ge=0, description="weight of attention relations")


def logit_loss(student: Tensor, teacher: Tensor, temperature: float, classes: bool) -> Tensor:
    """Scalar distance of two outputs [B, ..., C]; class scores when `classes`, plain numbers else."""
    if not classes:
        return nn.functional.mse_loss(student, teacher)
    wanted = (teacher / temperature).log_softmax(-1)
    given = (student / temperature).log_softmax(-1)
    kl = nn.functional.kl_div(given, wanted, reduction="none", log_target=True).sum(-1)
    return kl.mean() * temperature**2


def distill_objective(
    teacher: nn.Module,
    loss: Loss,
    weights: Weights,
    cache: TeacherCache | None = None,
    *,
    labelled: int | None = None,
    weighting: Weighting | None = None,
) -> Objective:
    """One training step's objective. The teacher is put in evaluation mode and never trained.

    Rows numbered `labelled` and above have no label: only the teacher's answers count for them.
    """
    teacher.eval()
    on_labels = task(loss, weighting=weighting)
    inner = weights.features > 0 or weights.attention > 0

    def objective(student: nn.Module, batch: Batch) -> Tensor:
        if not inner:
            answers = cache.answers(batch) if cache is not None else _answers(teacher, batch)
            outputs = as_tuple(student(**batch.inputs), student)
            return _mixed(outputs, answers, batch, on_labels, weights, labelled)
        with torch.no_grad(), Watcher(teacher) as seen_teacher:
            answers = as_tuple(teacher(**batch.inputs), teacher)
        with Watcher(student) as seen_student:
            outputs = as_tuple(student(**batch.inputs), student)
        total = _mixed(outputs, answers, batch, on_labels, weights, labelled)
        if weights.features:
            total = total + weights.features * feature_loss(seen_student, seen_teacher)
        if weights.attention:
            total = total + weights.attention * attention_loss(seen_student, seen_teacher)
        return total

    return objective


class TeacherCache:
    """The teacher's answers by row number, computed the first time a row is asked for.

    Only for inputs that do not change between epochs (no augmentation, no padding to the batch in
    what the teacher sees). Holds one tensor per output, [N, ...], computed without autocast: they are asked for once,
    and a run that goes on must find those it had.
    """

    def __init__(self, teacher: nn.Module, num_rows: int) -> None:
        self._teacher = teacher
        self._known = torch.zeros(num_rows, dtype=torch.bool)
        self._store: list[Tensor] = []

    def answers(self, batch: Batch) -> tuple[Tensor, ...]:
        """Outputs of the teacher for the rows of the batch."""
        if not bool(self._known[batch.rows].all()):
            with torch.autocast(batch.targets.device.type, enabled=False):
                fresh = _answers(self._teacher, batch)
            if not self._store:
                self._store = [t.new_zeros(len(self._known), *t.shape[1:]) for t in fresh]
            for store, value in zip(self._store, fresh, strict=True):
                store[batch.rows.to(store.device)] = value
            self._known[batch.rows] = True
        return tuple(store[batch.rows.to(store.device)] for store in self._store)


@torch.no_grad()
def _answers(teacher: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    return as_tuple(teacher(**batch.inputs), teacher)


def _mixed(
    outputs: tuple[Tensor, ...],
    answers: tuple[Tensor, ...],
    batch: Batch,
    task_loss: TaskObjective,
    weights: Weights,
    labelled: int | None,
) -> Tensor:
    classes = not batch.targets.is_floating_point() and outputs[0].shape[-1] > 1
    pairs = zip(outputs, answers, strict=True)
    total = torch.stack([logit_loss(s.float(), t.float(), weights.temperature, classes) for s, t in pairs]).sum()
    total = weights.logits * total
    if not weights.labels:
        return total
    if labelled is None:
        return total + weights.labels * task_loss.of(outputs, batch.targets, batch.rows)
    known = batch.rows < labelled
    if not bool(known.any()):
        if task_loss.weighting is not None:  # which all ranks ask in the same step
            task_loss.weighting.weights(total.new_zeros(0), batch.rows[known])
        return total
    share = float(known.float().mean())
    rows = batch.rows[known]
    known = known.to(total.device)
    on_labels = task_loss.of(tuple(output[known] for output in outputs), batch.targets[known], rows)
    return total + weights.labels * share * on_labels
