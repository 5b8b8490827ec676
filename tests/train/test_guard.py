"""Losses, gradients and weights that are not finite end a training, and are named."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from burnish.core.errors import TrainingFailed
from burnish.model.weights import load_tensors
from burnish.train.guard import Seen, finite
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.ranks import Ranks
from tests.train.test_loop import SETTINGS, net, rows, train


def test_a_loss_that_is_not_finite_names_epoch_step_and_rows():
    split = rows()
    split.inputs["image"][37] = np.nan
    with pytest.raises(TrainingFailed) as caught:
        train(net(), split=split)
    batches = split.order(16, seed=1, epoch=0)
    step = next(i for i, batch in enumerate(batches) if 37 in batch)
    assert f"epoch 0, step {step}, training rows {batches[step][0]}" in str(caught.value)
    assert "lower learning_rate" in str(caught.value)


def rooted(module, batch):
    """The task's loss and the square root of 0, whose derivative is not finite, where a row is marked."""
    loss = task(cross_entropy())(module, batch)
    marked = batch.inputs["image"].eq(77.0).any()
    return loss + (0 * module.conv.weight.sum()).abs().sqrt() if marked else loss


def marked_rows():
    """Rows of which two are marked, and the step of the first epoch that has the first of them."""
    split = rows()
    split.inputs["image"][[37, 38]] = 77.0
    batches = split.order(16, seed=1, epoch=0)
    step = next(i for i, batch in enumerate(batches) if {37, 38} & set(batch.tolist()))
    return split, step, batches[step][0]


def test_a_gradient_that_is_not_finite_names_its_own_step_and_rows():
    split, step, first = marked_rows()
    with pytest.raises(TrainingFailed, match="the gradients have a norm of nan") as caught:
        train(net(), split=split, objective=rooted)
    assert f"epoch 0, step {step}, training rows {first}" in str(caught.value)
    assert "derivative" in str(caught.value)


def test_weights_that_are_not_finite_are_not_written_down(tmp_path):
    """Without a limit on gradients nothing is seen in the step itself; here every step is to be written down."""
    split, step, _ = marked_rows()
    clock = itertools.count(step=100.0)
    settings = SETTINGS.model_copy(update={"clip_norm": 0.0})
    with pytest.raises(TrainingFailed, match="is not finite"):
        train(
            net(),
            split=split,
            objective=rooted,
            settings=settings,
            checkpoint=tmp_path / "fit",
            clock=lambda: float(next(clock)),
        )
    found = load_tensors(tmp_path / "fit")
    assert len(found["losses"]) == step > 0
    assert all(tensor.isfinite().all() for tensor in found.values() if tensor.is_floating_point())


def test_a_weight_that_is_not_finite_is_seen_before_the_score():
    settings = SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e38, "clip_norm": 0.0, "optimizer": "sgd"})
    with pytest.raises(TrainingFailed):
        train(net(), settings=settings, score=lambda _: pytest.fail("scored a broken model"))


@pytest.mark.parametrize(
    ("losses", "norms", "named"), [((1, 1, np.nan, 1), (1, 1), "4, 5"), ((1, 1, 1, 1), (1, np.inf), "4, 5, 6, 7")]
)
def test_a_loss_is_of_its_batch_and_a_gradient_of_all_batches_of_its_step(losses, norms, named):
    """Four batches of two rows, of which two make a step."""
    seen = Seen(
        losses=[torch.tensor(float(loss)) for loss in losses],
        rows=[torch.tensor([2 * place, 2 * place + 1]) for place in range(4)],
        norms={1: torch.tensor(float(norms[0])), 3: torch.tensor(float(norms[1]))},
    )
    with pytest.raises(TrainingFailed) as caught:
        finite(seen, Ranks(), epoch=0, first_step=0)
    assert caught.value.where.endswith(f"training rows {named}")
