from __future__ import annotations

import pytest
import torch

from burnish.core.errors import Unsupported
from burnish.model.variant import Variant, predict
from burnish.passes.kinds.distill import Distill
from tests import tiny


def test_a_fresh_student_comes_to_answer_like_its_teacher_without_labels() -> None:
    torch.manual_seed(3)
    student = Variant(module=tiny.workload().build().eval())
    context = tiny.context()
    outcome = Distill(epochs=10, labels=0.0, logits=1.0, learning_rate=1e-2)(student, context)
    images = tiny.rows(50, 5).batch(torch.arange(50).numpy()).inputs
    assert context.teacher is not None
    ours, theirs = (predict(m, images)[0].argmax(1) for m in (outcome.variant.module, context.teacher))
    assert float((ours == theirs).float().mean()) > 0.9
    assert outcome.notes["teacher"] is True


@pytest.mark.parametrize("part", ["features", "attention"])
def test_inner_relations_can_be_asked_for(part: str) -> None:
    outcome = Distill.parse({"epochs": 0.2, part: 1.0})(tiny.trained(), tiny.context())
    assert outcome.notes["epochs"] == pytest.approx(0.2)


def test_without_a_teacher_it_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="no teacher") as caught:
        Distill()(tiny.trained(), tiny.context(teacher=None))
    assert caught.value.help == "put `fit` before it"


def test_labels_alone_need_no_teacher() -> None:
    outcome = Distill(epochs=0.2, teacher=False)(tiny.trained(), tiny.context(teacher=None))
    assert outcome.notes["teacher"] is False
