from __future__ import annotations

import numpy as np
import pytest
import torch

from burnish.core.doors import WEIGHTINGS
from burnish.core.errors import RecipeError
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.train import loop
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings
from burnish.train.weighting import CEILING, FLOOR, build_weighting
from tests.train.test_loop import SETTINGS, accuracy, net, rows

TARGETS = np.repeat([0, 1], [90, 10])


VALUES = (TARGETS[:, None] + np.random.default_rng(0).normal(size=(100, 3)) / 10).astype(np.float32)


def built(name: str):
    split = Split(inputs={"x": VALUES}, targets=TARGETS)
    return build_weighting(FitSettings(weighting=name, weighting_warmup=0), split)


@pytest.mark.parametrize("name", [name for name in WEIGHTINGS.names() if name != "column"])
def test_weights_have_mean_one_and_limits(name):
    losses = torch.linspace(0, 5, 100)
    weights = built(name).weights(losses, torch.arange(100))
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights.min() > 0 and weights.max() / weights.min() <= CEILING / FLOOR


@pytest.mark.parametrize(("name", "sign"), [("trust", -1), ("hard", 1), ("focal", 1)])
def test_which_rows_count_more(name, sign):
    weights = built(name).weights(torch.tensor([0.1, 4.0]), torch.tensor([0, 1]))
    assert (weights[1] - weights[0]) * sign > 0


def test_rare_classes_count_more():
    weights = built("class-balanced").weights(torch.ones(2), torch.tensor([0, 95]))
    assert weights[1] > 5 * weights[0]


def wrong_labels(spread: float = 0.5):
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    wrong = rng.random(600) < 0.2
    values = (spread * rng.normal(size=(600, 4)) + 3 * labels[:, None]).astype(np.float32)
    return Split(inputs={"x": values}, targets=np.where(wrong, (labels + 1) % 3, labels)), wrong


def test_doubted_rows_hardly_count_from_the_first_step():
    split, wrong = wrong_labels()
    weighting = build_weighting(FitSettings(weighting="doubt", weighting_warmup=0.5), split)
    weights = weighting.weights(torch.ones(600), torch.arange(600)).numpy()
    assert weights[wrong].mean() < 0.2 * weights[~wrong].mean()


def test_doubt_is_refused_where_labels_cannot_be_guessed():
    with pytest.raises(RecipeError, match=r"guesses \d+% of the labels"):
        build_weighting(FitSettings(weighting="doubt"), wrong_labels(50.0)[0])


@pytest.mark.parametrize("name", ["trust", "class-balanced"])
def test_resumed_run_has_the_same_bits(name, tmp_path):
    def train(stop=None):
        settings = SETTINGS.model_copy(update={"weighting": name, "weighting_warmup": 0.2})
        split = rows()
        weighting = build_weighting(settings, split)
        seen = []

        def score(module):
            seen.append(0)
            if stop is not None and len(seen) > stop:
                raise KeyboardInterrupt
            return accuracy(module)

        module = net()
        loop.fit(
            module,
            split,
            objective=task(cross_entropy(), weighting=weighting),
            settings=settings,
            seed=1,
            score=score,
            samples=Samples(weighting=weighting),
            checkpoint=tmp_path / "run" if stop is not None else None,
            progress=Silent(),
        )
        return module

    whole = train()
    with pytest.raises(KeyboardInterrupt):
        train(stop=2)
    resumed = train(stop=10)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_scalar_loss_is_refused():
    with pytest.raises(RecipeError, match="loss of each row"):
        task(lambda outputs, targets: outputs[0].mean(), weighting=built("trust"))


def test_curriculum_takes_easy_rows_first_at_the_same_number_of_steps():
    split = rows()
    settings = SETTINGS.model_copy(update={"curriculum": "easy"})
    samples = Samples(difficulty=np.arange(100.0))
    cpu = torch.device("cpu")
    first, again, last = (
        list(samples.batches(split, settings, seed=1, epoch=epoch, device=cpu)) for epoch in (0, 0, 3)
    )
    assert len(first) == len(last) == split.num_batches(settings.batch_size)
    rows_first = {int(row) for batch in first for row in batch.rows}
    assert 75 <= len(rows_first) <= 80
    assert len({int(row) for batch in last for row in batch.rows}) > 90
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(first, again, strict=True))


def test_every_class_keeps_its_share_of_the_first_rows_however_hard_it_is():
    targets = np.repeat([0, 1], 50)
    split = Split(inputs={"x": np.zeros((100, 3), np.float32)}, targets=targets)
    settings = SETTINGS.model_copy(update={"curriculum": "easy", "curriculum_start": 0.5})
    batches = Samples(difficulty=np.arange(100.0)).batches(split, settings, seed=1, epoch=0, device=torch.device("cpu"))
    seen = {int(row) for batch in batches for row in batch.rows}
    assert seen <= {*range(25), *range(50, 75)} and abs(sum(row < 50 for row in seen) - len(seen) / 2) <= 2
