from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from burnish.core.errors import BadData, RecipeError, TrainingFailed, Unsupported
from burnish.model.variant import Variant
from burnish.passes.kinds.fit import Fit
from burnish.train.losses import mse
from burnish.train.settings import FitSettings
from tests import tiny


def fresh() -> Variant:
    torch.manual_seed(0)
    return Variant(module=tiny.workload().build().eval())


def test_it_learns_the_task_and_tells_how() -> None:
    context = tiny.context()
    outcome = Fit()(fresh(), context)
    assert context.score(outcome.variant.module) >= 0.95
    assert outcome.notes["epochs"] == 6
    assert len(outcome.notes["scores"]) == 6
    assert outcome.changes[0].what == "trained 60 steps (adamw)"


def test_settings_that_are_given_win_over_the_workloads() -> None:
    outcome = Fit(epochs=1, optimizer="sgd", batch_size=32)(fresh(), tiny.context())
    assert outcome.changes[0].what == "trained 5 steps (sgd)"


def test_it_tells_how_many_rows_with_doubtful_labels_were_left_out() -> None:
    rows = tiny.rows(160, 0)
    wrong = np.where(np.random.default_rng(0).random(160) < 0.2, (rows.targets + 1) % 5, rows.targets)
    context = tiny.context(train=replace(rows, targets=wrong))
    outcome = Fit(weighting="doubt")(fresh(), context)
    assert outcome.notes["weighting"].endswith("rows are left out")
    assert outcome.changes[0].what == "trained 60 steps (adamw)"
    assert "all rows count the same" in Fit(weighting="doubt", epochs=1)(fresh(), tiny.context()).notes["weighting"]


def test_label_smoothing_of_the_workload_is_used() -> None:
    plain, smooth = (
        Fit(epochs=1)(fresh(), tiny.context(fit=FitSettings(precision="fp32", label_smoothing=share)))
        for share in (0.0, 0.3)
    )
    assert not torch.equal(plain.variant.module.head.weight, smooth.variant.module.head.weight)
    with pytest.raises(RecipeError, match="cross-entropy"):
        Fit(epochs=1)(fresh(), tiny.context(loss=mse(), fit=FitSettings(label_smoothing=0.3)))


def test_a_loss_that_is_not_a_number_stops_with_step_and_rows() -> None:
    def loss(outputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> torch.Tensor:
        return outputs[0].sum() * float("nan")

    with pytest.raises(TrainingFailed, match="the loss is nan") as caught:
        Fit(epochs=1)(fresh(), tiny.context(loss=loss))
    assert "epoch 0, step 0, training rows" in caught.value.where
    assert caught.value.help == "lower learning_rate, or check the data"


def test_without_rows_or_weights_there_is_nothing_to_train() -> None:
    with pytest.raises(BadData, match="no training rows"):
        Fit()(fresh(), tiny.context(train=tiny.rows(5, 0).take(slice(0, 0))))
    with pytest.raises(Unsupported, match="no trainable parameter"):
        Fit()(Variant(module=torch.nn.ReLU()), tiny.context())
