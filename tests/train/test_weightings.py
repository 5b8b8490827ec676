from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.doors import WEIGHTINGS
from burnish.core.errors import RecipeError
from burnish.core.progress import Silent
from burnish.data.samples.doubt import Doubt
from burnish.data.samples.label_issues import LabelIssues
from burnish.data.split import Split
from burnish.train import loop
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.ranks import Ranks
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings
from burnish.train.weighting import CEILING, FLOOR, build_weighting, of_all
from burnish.train.weightings import doubt
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


def test_a_row_that_is_left_out_counts_nothing_even_beside_others():
    weighting = built("trust")
    weighting.kept = torch.arange(100) > 0
    weighting.raw = lambda confidence, rows: torch.ones(len(rows))
    weights = weighting.weights(torch.ones(4), torch.arange(4))
    assert weights.tolist() == pytest.approx([0, 4 / 3, 4 / 3, 4 / 3])
    assert weighting.weights(torch.ones(2), torch.tensor([0, 0])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("epochs", "kept"), [(1, [100]), (0.5, [100]), (2.1, [50, 100]), (3, [50, 67, 100]), (4, [50, 67, 83, 100])]
)
def test_the_last_epoch_of_a_curriculum_has_all_rows(epochs, kept):
    told = {"curriculum": "easy", "curriculum_stages": 3, "curriculum_start": 0.5, "curriculum_share": 0.9}
    settings = FitSettings(epochs=epochs, batch_size=10, **told)
    split = Split(inputs={"x": VALUES}, targets=TARGETS)
    samples = Samples(difficulty=np.arange(100.0))
    for epoch, count in enumerate(kept):
        batches = samples.batches(split, settings, seed=0, epoch=epoch, device=torch.device("cpu"))
        seen = torch.cat([batch.rows for batch in batches]).unique()
        assert len(seen) == count


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


def drawn(weighting, split, *, every=False):
    """Row numbers of an epoch, batch by batch."""
    samples = Samples(weighting=weighting, every=every)
    batches = samples.batches(split, SETTINGS, seed=1, epoch=0, device=torch.device("cpu"))
    return [batch.rows.numpy() for batch in batches]


def test_no_step_is_spent_on_doubted_rows():
    split, wrong = wrong_labels()
    weighting = build_weighting(FitSettings(weighting="doubt"), split)
    assert "rows are left out" in weighting.found
    batches = drawn(weighting, split)
    assert len(batches) == split.num_batches(SETTINGS.batch_size)
    assert wrong[np.concatenate(batches)].mean() < 0.05
    again = drawn(weighting, split)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))
    assert wrong[np.concatenate(drawn(weighting, split, every=True))].mean() == pytest.approx(0.2, abs=0.05)


def test_rows_that_stay_come_equally_often_from_epoch_to_epoch():
    split, _ = wrong_labels()
    weighting = build_weighting(FitSettings(weighting="doubt"), split)
    samples = Samples(weighting=weighting)
    seen = np.concatenate(
        [
            batch.rows.numpy()
            for epoch in range(3)
            for batch in samples.batches(split, SETTINGS, seed=1, epoch=epoch, device=torch.device("cpu"))
        ]
    )
    times = np.bincount(seen, minlength=600)[weighting.kept.numpy()]
    assert times.max() - times.min() <= 1


def test_doubt_leaves_clean_labels_as_they_are():
    split, _ = wrong_labels()
    clean = Split(inputs=split.inputs, targets=np.arange(600) % 3)
    weighting = build_weighting(FitSettings(weighting="doubt"), clean)
    assert weighting.kept.all() and "all rows count the same" in weighting.found
    assert (weighting.weights(torch.rand(600), torch.arange(600)) == 1).all()
    assert sorted(np.concatenate(drawn(weighting, clean))) == list(range(600))


def test_no_class_loses_more_than_half_of_its_rows(monkeypatch):
    split, _ = wrong_labels()
    right = np.where((split.targets == 0) & (np.arange(600) < 500), np.linspace(0.1, 0.3, 600), 0.9)
    issues = LabelIssues(
        rows=np.flatnonzero(right < 0.5), suggested=np.ones(600, np.int64), right=right, confidence=right, sure=0.9
    )
    monkeypatch.setattr(doubt, "doubt_labels", lambda part, found: Doubt(issues=issues, known=np.arange(3)))
    stays = build_weighting(FitSettings(weighting="doubt"), split).kept.numpy()
    assert stays[split.targets != 0].all()
    assert stays[split.targets == 0].mean() == pytest.approx(0.5, abs=0.01)
    assert right[stays].min() > right[~stays].max()


def test_the_curriculum_and_what_is_left_out_go_together():
    split, wrong = wrong_labels()
    weighting = build_weighting(FitSettings(weighting="doubt"), split)
    settings = SETTINGS.model_copy(update={"curriculum": "easy", "curriculum_start": 0.5})
    samples = Samples(weighting=weighting, difficulty=np.arange(600.0))
    batches = list(samples.batches(split, settings, seed=1, epoch=0, device=torch.device("cpu")))
    seen = np.unique(np.concatenate([batch.rows.numpy() for batch in batches]))
    assert wrong[seen].mean() < 0.05 and len(seen) <= 0.5 * int(weighting.kept.sum()) + 1


def test_doubt_is_refused_where_labels_cannot_be_guessed():
    with pytest.raises(RecipeError, match=r"guesses \d+% of the labels"):
        build_weighting(FitSettings(weighting="doubt"), wrong_labels(50.0)[0])


@pytest.mark.parametrize("name", ["trust", "class-balanced", "doubt"])
def test_resumed_run_has_the_same_bits(name, tmp_path):
    def train(stop=None):
        settings = SETTINGS.model_copy(update={"weighting": name, "weighting_warmup": 0.2})
        split = rows()
        wrong = np.random.default_rng(0).random(len(split)) < 0.2
        split = replace(split, targets=np.where(wrong, (split.targets + 1) % 3, split.targets))
        weighting = build_weighting(settings, split)
        assert name != "doubt" or not weighting.kept.all()
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
    assert 85 <= len(rows_first) <= 90
    assert len({int(row) for batch in last for row in batch.rows}) > 90
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(first, again, strict=True))


def test_every_class_keeps_its_share_of_the_first_rows_however_hard_it_is():
    targets = np.repeat([0, 1], 50)
    split = Split(inputs={"x": np.zeros((100, 3), np.float32)}, targets=targets)
    settings = SETTINGS.model_copy(update={"curriculum": "easy", "curriculum_start": 0.5})
    batches = Samples(difficulty=np.arange(100.0)).batches(split, settings, seed=1, epoch=0, device=torch.device("cpu"))
    seen = {int(row) for batch in batches for row in batch.rows}
    assert seen <= {*range(25), *range(50, 75)} and abs(sum(row < 50 for row in seen) - len(seen) / 2) <= 2


class Threads(Ranks):
    """Ranks that are threads of this process."""

    def each(self, values):
        barrier, slots = self.group
        slots[self.rank] = values.clone()
        barrier.wait(timeout=60)
        found = torch.stack(list(slots))
        barrier.wait(timeout=60)
        return found


@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_all_ranks_know_the_rows_of_all_and_where_theirs_are(world, count, seed):
    """Ranks without rows, and one that repeats those of the first, as where a batch is too short for all."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice(2**40, count, replace=False)
    parts = list(np.array_split(numbers, world))
    if count > 1:
        parts.append(numbers[:2])
    values = {int(row): float(np.float32(rng.random())) for row in numbers}
    group = threading.Barrier(len(parts)), [None] * len(parts)

    def ask(rank):
        rows = torch.from_numpy(parts[rank])
        mine = torch.tensor([values[int(row)] for row in rows], dtype=torch.float32)
        return of_all(Threads(rank=rank, world=len(parts), group=group), rows, mine)

    with ThreadPoolExecutor(len(parts)) as pool:
        found = list(pool.map(ask, range(len(parts))))
    for rank, (every, seen, places) in enumerate(found):
        if len(parts) > 1:
            assert every.tolist() == numbers.tolist()
        assert [values[int(row)] for row in every] == seen.tolist()
        assert every[places].tolist() == parts[rank].tolist()
