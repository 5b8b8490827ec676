import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.errors import BadData
from burnish.data.split import Split
from burnish.measure.quality import agresti_min, paired, predict_module, predictions, quality, score, wilson

ACCURACY, AUC, MSE = (METRICS.get(name) for name in ("accuracy", "auc", "mse"))


def split(n=10):
    return Split(inputs={"x": np.arange(n * 3, dtype=np.float32).reshape(n, 3)}, targets=np.zeros(n, np.int64))


class Double(nn.Module):
    def forward(self, x):
        return x * 2, x


def test_predictions_are_the_first_output_in_order():
    seen = []

    def run(inputs):
        seen.append(len(inputs["x"]))
        return {"doubled": inputs["x"] * 2, "x": inputs["x"]}

    found = predictions(run, split(), batch_size=4)
    assert seen == [4, 4, 2]
    np.testing.assert_array_equal(found, split().inputs["x"] * 2)
    module = Double().train()
    np.testing.assert_array_equal(predict_module(module, split(), batch_size=4), found)
    assert module.training


def test_an_empty_split_is_refused():
    with pytest.raises(BadData, match="no rows"):
        predict_module(Double(), split(0))


@given(n=st.integers(1, 5000), data=st.data())
def test_wilson_holds_the_share(n, data):
    share = data.draw(st.integers(0, n)) / n
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_wilson_known_value():
    # as the function prop.test of R gives it, without continuity correction
    assert wilson(81 / 263, 263) == pytest.approx((0.2552, 0.3662), abs=1e-3)


@given(n=st.integers(1, 3000), data=st.data())
def test_agresti_min_is_symmetric_and_never_empty(n, data):
    wins = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - wins))
    low, high = agresti_min(wins, losses, n)
    assert -1 <= low < high <= 1
    assert agresti_min(losses, wins, n) == pytest.approx((-high, -low))


def test_accuracy_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        right = rng.random(200) < 0.9
        scores = np.stack([right, ~right], 1).astype(float)
        found = quality(ACCURACY, scores, np.zeros(200, int), "m")
        hits += found.low <= 0.9 <= found.high
    assert 0.91 <= hits / 300 <= 0.99
    assert "Wilson" in found.protocol
    assert found.unit == "share"


@pytest.mark.parametrize("name", ["auc", "mse", "f1"])
def test_other_intervals_hold_the_value_and_repeat(name):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 80)
    scores = targets + rng.normal(size=80)
    metric = METRICS.get(name)
    found = quality(metric, scores, targets, "m")
    assert found.low < found.value < found.high
    assert found.value == score(metric, scores, targets)
    assert found == quality(metric, scores, targets, "m")
    assert "seed 0" in found.protocol


def test_paired_is_narrower_than_unpaired():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 5, 500)
    base = rng.normal(size=(500, 5)) + 2 * np.eye(5)[targets]
    ours = base + rng.normal(scale=0.05, size=base.shape)
    found = paired(ACCURACY, ours, base, targets, "m")
    alone = quality(ACCURACY, base, targets, "m")
    assert found.value == pytest.approx(ACCURACY.compute(ours, targets) - ACCURACY.compute(base, targets))
    assert found.high - found.low < 0.5 * (alone.high - alone.low)
    assert found.name == "accuracy difference"


@pytest.mark.parametrize(("metric", "how"), [(ACCURACY, "Agresti-Min"), (MSE, "normal"), (AUC, "paired bootstrap")])
def test_no_difference_is_zero(metric, how):
    targets = np.arange(40) % 2
    scores = targets + np.sin(np.arange(40))
    found = paired(metric, scores, scores, targets, "m")
    assert found.value == 0
    assert found.low <= 0 <= found.high
    assert how in found.protocol


def test_counts_must_fit():
    with pytest.raises(BadData, match="3 predictions for 4 targets"):
        quality(ACCURACY, np.zeros((3, 2)), np.zeros(4), "m")
    with pytest.raises(BadData):
        paired(ACCURACY, np.zeros((4, 2)), np.zeros((3, 2)), np.zeros(4), "m")


def test_predictions_of_a_half_precision_module_are_float32():
    class Half(nn.Module):
        def forward(self, x):
            return x.to(torch.bfloat16)

    assert predict_module(Half(), split()).dtype == np.float32
