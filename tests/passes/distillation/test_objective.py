from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from burnish.data.split import Split
from burnish.passes.distillation.objective import TeacherCache, Weights, distill_objective, logit_loss
from burnish.train.losses import cross_entropy, mse
from burnish.train.settings import FitSettings
from burnish.train.weighting import build_weighting
from tests import tiny


def softmax(values: np.ndarray) -> np.ndarray:
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 8.0))
@settings(max_examples=40)
def test_logit_loss_is_the_divergence_of_softened_answers_times_t_squared(seed: int, temperature: float) -> None:
    student, teacher = np.random.default_rng(seed).normal(0, 3, (2, 4, 5))
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    by_hand = temperature**2 * (p * (np.log(p) - np.log(q))).sum(-1).mean()
    found = logit_loss(torch.tensor(student), torch.tensor(teacher), temperature, classes=True)
    assert float(found) == pytest.approx(by_hand, rel=1e-6, abs=1e-9)


def test_t_squared_keeps_the_gradient_at_the_same_size() -> None:
    sizes = []
    for temperature in (4.0, 16.0):
        student = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
        logit_loss(student, torch.tensor([[0.1, 0.0, -0.1]], dtype=torch.float64), temperature, classes=True).backward()
        sizes.append(float(student.grad.norm()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_plain_numbers_are_compared_by_their_squared_difference() -> None:
    found = logit_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]]), 7.0, classes=False)
    assert float(found) == 2.5


def test_the_parts_add_up_with_their_weights() -> None:
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    generator = np.random.default_rng(0)
    split = Split(inputs={"input": generator.normal(size=(6, 4)).astype(np.float32)}, targets=np.arange(6) % 3)
    batch = split.batch(np.arange(6))
    found = distill_objective(teacher, cross_entropy(), Weights(temperature=3, labels=0.25, logits=2))(student, batch)
    x, labels = batch.inputs["input"], batch.targets
    wanted = 2 * logit_loss(student(x), teacher(x), 3, classes=True) + 0.25 * nn.functional.cross_entropy(
        student(x), labels
    )
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert teacher.weight.grad is None


def test_rows_without_labels_count_for_the_teachers_answers_only() -> None:
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    generator = np.random.default_rng(0)
    known, more = ({"input": generator.normal(size=(rows, 4)).astype(np.float32)} for rows in (2, 6))
    split = Split(inputs=known, targets=np.array([2, 1])).with_unlabelled(Split(inputs=more, targets=np.zeros(6)))
    assert len(split) == 8
    weights = Weights(temperature=3, labels=0.25, logits=2)
    objective = distill_objective(teacher, cross_entropy(), weights, labelled=2)
    batch = split.batch(np.array([5, 0, 7, 1]))
    x = batch.inputs["input"]
    answers = 2 * logit_loss(student(x), teacher(x), 3, classes=True)
    labels = nn.functional.cross_entropy(student(x)[[1, 3]], torch.tensor([2, 1]))
    assert objective(student, batch).item() == pytest.approx((answers + 0.25 * 0.5 * labels).item(), rel=1e-6)
    nobody = split.batch(np.array([5, 7]))
    x = nobody.inputs["input"]
    assert objective(student, nobody).item() == pytest.approx(
        2 * logit_loss(student(x), teacher(x), 3, classes=True).item()
    )


def test_float_targets_are_no_classes() -> None:
    student, teacher = nn.Linear(4, 2), nn.Linear(4, 2)
    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(6, 4)).astype(np.float32), generator.normal(size=(6, 2))
    batch = Split(inputs={"input": inputs}, targets=targets.astype(np.float32)).batch(np.arange(6))
    found = distill_objective(teacher, mse(), Weights(labels=0, logits=1))(student, batch)
    x = batch.inputs["input"]
    assert found.item() == pytest.approx(nn.functional.mse_loss(student(x), teacher(x)).item())


def test_a_student_that_is_the_teacher_has_nothing_to_learn() -> None:
    module = tiny.trained().module
    batch = tiny.rows(10, 0).batch(np.arange(10))
    weights = Weights(labels=0, logits=1, features=1, attention=1)
    assert distill_objective(module, cross_entropy(), weights)(module, batch).item() == pytest.approx(0, abs=1e-6)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.calls = 0

    def forward(self, input: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        return self.inner(input), input.sum(1)


def test_the_cache_answers_like_the_teacher_and_asks_it_once_per_row() -> None:
    teacher = Counting().eval()
    generator = np.random.default_rng(0)
    split = Split(inputs={"input": generator.normal(size=(20, 4)).astype(np.float32)}, targets=np.arange(20))
    cache = TeacherCache(teacher, len(split))
    for epoch in range(3):
        for batch in split.shuffled(6, seed=0, epoch=epoch):
            with torch.no_grad():
                wanted = teacher.inner(batch.inputs["input"]), batch.inputs["input"].sum(1)
            for found, right in zip(cache.answers(batch), wanted, strict=True):
                torch.testing.assert_close(found, right)
        assert teacher.calls == 4


def test_kept_answers_are_those_of_fp32_whatever_format_the_training_takes() -> None:
    """A trial of fp32 fills the cache, and the run that follows may be in bf16; one that goes on has no trial."""
    split = Split(
        inputs={"input": np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)}, targets=np.arange(20)
    )
    teacher = nn.Linear(4, 3).eval()
    batches = list(split.shuffled(6, seed=0, epoch=0))
    tried, fresh = TeacherCache(teacher, len(split)), TeacherCache(teacher, len(split))
    tried.answers(batches[0])
    with torch.autocast("cpu", torch.bfloat16):
        for batch in batches:
            for one, other in zip(tried.answers(batch), fresh.answers(batch), strict=True):
                assert one.dtype == torch.float32 and torch.equal(one, other)


def test_a_weighting_hears_of_a_batch_without_labels() -> None:
    """On several ranks all must ask it in the same step, also one whose rows have no labels."""
    known = {"input": np.ones((2, 4), np.float32)}
    split = Split(inputs=known, targets=np.array([2, 1])).with_unlabelled(Split(inputs=known, targets=np.zeros(2)))
    weighting = build_weighting(FitSettings(weighting="hard", weighting_warmup=0), split)
    assert weighting is not None
    asked = []
    monkeyed = weighting.weights
    weighting.weights = lambda losses, rows: asked.append(len(rows)) or monkeyed(losses, rows)  # type: ignore[method-assign]
    teacher, student = nn.Linear(4, 3).eval(), nn.Linear(4, 3)
    objective = distill_objective(teacher, cross_entropy(), Weights(labels=0.5), labelled=2, weighting=weighting)
    losses = [objective(student, split.batch(np.array(rows))) for rows in ([0, 1], [2, 3])]
    assert asked == [2, 0]
    assert all(torch.isfinite(loss) for loss in losses)
