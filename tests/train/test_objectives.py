import pytest
import torch
from torch import nn

from burnish.core.errors import RecipeError
from burnish.data.split import Batch
from burnish.train.losses import cross_entropy, mse
from burnish.train.objectives import task


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x, x + 1


BATCH = Batch(inputs={"x": torch.tensor([[5.0, 0.0]])}, targets=torch.tensor([0]), rows=torch.tensor([0]))


def test_the_first_output_counts():
    expected = cross_entropy()((BATCH.inputs["x"],), BATCH.targets)
    assert task(cross_entropy())(TwoOutputs(), BATCH) == expected


def test_label_smoothing_is_passed_on():
    assert task(cross_entropy(), label_smoothing=0.2)(TwoOutputs(), BATCH) > task(cross_entropy())(TwoOutputs(), BATCH)


def test_label_smoothing_of_another_loss_is_refused():
    with pytest.raises(RecipeError, match="cross-entropy"):
        task(mse(), label_smoothing=0.1)
