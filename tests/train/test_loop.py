from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.errors import BadData, RecipeError, Unsupported
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.train import epoch
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.settings import FitSettings

SETTINGS = FitSettings(epochs=4, batch_size=16, learning_rate=1e-2, precision="fp32")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(8, 3)

    def forward(self, image):
        x = torch.relu(self.norm(self.conv(image)))
        return self.head(self.drop(x.mean((2, 3))))


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def rows(count: int = 100) -> Split:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, count)
    image = (rng.normal(size=(count, 1, 6, 6)) + targets[:, None, None, None]).astype(np.float32)
    return Split(inputs={"image": image}, targets=targets, augment=flip)


def flip(inputs, generator):
    keep = torch.rand(len(inputs["image"]), generator=generator) < 0.5
    return {"image": torch.where(keep[:, None, None, None], inputs["image"], inputs["image"].flip(3))}


def accuracy(module: nn.Module) -> float:
    split = rows()
    module.eval()
    with torch.no_grad():
        logits = module(image=torch.from_numpy(split.inputs["image"]))
    return float((logits.argmax(1).numpy() == split.targets).mean())


def train(module, *, settings=SETTINGS, seed=1, split=None, **more):
    return fit(
        module,
        rows() if split is None else split,
        objective=more.pop("objective", task(cross_entropy())),
        settings=settings,
        seed=seed,
        progress=more.pop("progress", Silent()),
        **more,
    )


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_learns_and_says_what_it_did():
    module = net()
    result = train(module, settings=SETTINGS.model_copy(update={"epochs": 12}), score=accuracy)
    assert result.history[-1].loss < result.history[0].loss * 0.8
    assert result.epochs_run == 12
    assert result.steps == 12 * 7
    assert result.history[result.best_epoch].score == max(record.score for record in result.history)
    assert accuracy(module) == result.history[result.best_epoch].score
    assert result.precision_reason == "fp32: asked for"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_same_seed_same_bits_other_seed_other_bits(optimizer):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer, "epochs": 2})
    one, two, other = net(), net(), net()
    train(one, settings=settings)
    torch.rand(5)
    train(two, settings=settings)
    train(other, settings=settings, seed=2)
    assert same(one, two)
    assert not same(one, other)


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    module = Net()
    torch.manual_seed(5)
    train(module, settings=SETTINGS.model_copy(update={"epochs": 1}))
    assert torch.equal(torch.rand(3), expected)


def test_half_an_epoch_trains_half_the_batches():
    result = train(net(), settings=SETTINGS.model_copy(update={"epochs": 0.5}))
    assert result.steps == round(0.5 * 7)
    assert len(result.history) == 1
    result = train(net(), settings=SETTINGS.model_copy(update={"epochs": 1.5}))
    assert result.steps == round(1.5 * 7)
    assert len(result.history) == 2


class KilledError(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("die_at", [1, 2, 3])
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"accumulate": 2}, {"channels_last": True}], ids=str)
def test_a_killed_run_ends_with_the_same_bits(tmp_path, optimizer, die_at, changes):
    channels_last = "channels_last" in changes
    settings = SETTINGS.model_copy(update={"optimizer": optimizer} | ({} if channels_last else changes))
    scores = [0.5, 0.7, 0.7, 0.6]

    def fresh():
        return net().to(memory_format=torch.channels_last) if channels_last else net()

    def scripted(die_at=None):
        def score(module):
            accuracy(module)
            epoch = int(module.norm.num_batches_tracked) // 7 - 1
            if epoch == die_at:
                raise KilledError
            return scores[epoch]

        return score

    whole, killed = fresh(), fresh()
    expected = train(whole, settings=settings, score=scripted())
    path = tmp_path / "fit.safetensors"
    with pytest.raises(KilledError):
        train(killed, settings=settings, score=scripted(die_at), checkpoint=path)
    resumed = fresh()
    result = train(resumed, settings=settings, score=scripted(), checkpoint=path)
    assert same(resumed, whole)
    assert result.history == expected.history
    assert result.best_epoch == expected.best_epoch == 1
    again = fresh()
    assert train(again, settings=settings, score=scripted(), checkpoint=path).history == expected.history
    assert same(again, whole)


class Clock:
    """A second passes with every look; the run is killed at one of them."""

    def __init__(self, die_at=None):
        self.now, self.die_at = 0.0, die_at

    def __call__(self):
        self.now += 1.0
        if self.now == self.die_at:
            raise KilledError
        return self.now


def save_often(changes):
    return SETTINGS.model_copy(update={"epochs": 2.5, "batch_size": 4, "save_every_s": 7.0} | changes)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"accumulate": 3}, {"optimizer": "sgd"}], ids=str)
def test_a_run_killed_within_an_epoch_ends_with_the_same_bits(tmp_path, changes):
    settings = save_often(changes)
    whole = net()
    expected = train(whole, settings=settings, score=accuracy)
    places = set()
    for die_at in range(20, 140, 24):
        path = tmp_path / f"{die_at}.safetensors"
        with pytest.raises(KilledError):
            train(net(), settings=settings, score=accuracy, checkpoint=path, clock=Clock(die_at))
        said = Said()
        resumed = net()
        result = train(resumed, settings=settings, score=accuracy, checkpoint=path, progress=said, clock=Clock())
        assert same(resumed, whole)
        assert result.history == expected.history
        places.update(line for line in said.lines if "batches" in line)
    assert len(places) > 3


class Said(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def test_a_run_may_go_on_with_other_workers(tmp_path):
    whole, resumed = net(), net()
    train(whole, settings=save_often({"workers": 0}))
    path = tmp_path / "fit.safetensors"
    with pytest.raises(KilledError):
        train(net(), settings=save_often({"workers": 3}), checkpoint=path, clock=Clock(90))
    train(
        resumed, settings=save_often({"workers": 1, "save_every_s": 50.0}), checkpoint=path, progress=(said := Said())
    )
    assert "batches" in said.lines[0]
    assert same(resumed, whole)


def test_the_share_of_waiting_is_told():
    assert 0 < train(net(), clock=Clock()).wait_share < 1


def test_gradients_of_several_batches_make_one_step():
    """Two batches of 16 are one of 32 for a model that knows no batches; at the end of an epoch there are fewer."""

    def run(batch_size, accumulate):
        torch.manual_seed(0)
        module = nn.Sequential()
        module.add_module("head", nn.Linear(36, 3))
        module.forward = lambda image: module.head(image.flatten(1))
        settings = SETTINGS.model_copy(
            update={"batch_size": batch_size, "accumulate": accumulate, "epochs": 2, "schedule": "constant"}
            | {"warmup": 0.0, "optimizer": "sgd", "clip_norm": 0.5}
        )
        train(module, settings=settings, split=replace(rows(96), augment=None))
        return module.head.weight.detach()

    assert torch.allclose(run(16, 2), run(32, 1), atol=1e-6)
    assert torch.allclose(run(16, 8), run(96, 1), atol=1e-6)
    assert not torch.allclose(run(16, 1), run(32, 1), atol=1e-4)


def test_the_average_of_the_weights_is_scored_and_kept():
    scored, last = [], []
    settings = SETTINGS.model_copy(update={"ema": 0.5, "keep_best": False, "learning_rate": 0.05})

    def score(module):
        scored.append(module.head.weight.detach().clone())
        return 0.0

    averaged, plain = net(), net()
    train(averaged, settings=settings, score=score)
    train(plain, settings=settings.model_copy(update={"ema": 0.0}), score=lambda m: last.append(m) or 0.0)
    assert torch.equal(averaged.head.weight, scored[-1])
    assert not torch.equal(averaged.head.weight, plain.head.weight)
    assert torch.allclose(averaged.head.weight, plain.head.weight, atol=0.1)
    best = net()
    values = iter([0.1, 0.9, 0.2, 0.3])
    scored.clear()
    train(best, settings=settings.model_copy(update={"keep_best": True}), score=lambda m: (score(m), next(values))[1])
    assert torch.equal(best.head.weight, scored[1])


def test_a_checkpoint_of_another_run_is_not_used(tmp_path):
    path = tmp_path / "fit.safetensors"
    train(net(), checkpoint=path)
    plain, beside = net(), net()
    train(plain, seed=3)
    train(beside, seed=3, checkpoint=path)
    assert same(plain, beside)


def test_a_damaged_checkpoint_starts_anew(tmp_path):
    path = tmp_path / "fit.safetensors"
    path.write_bytes(b"not a checkpoint")
    plain, beside = net(), net()
    train(plain)
    train(beside, checkpoint=path)
    assert same(plain, beside)


def test_early_stop_keeps_the_first_best():
    scores = iter([0.1, 0.9, 0.9, 0.8, 0.95])
    seen = []

    def score(module):
        seen.append({k: v.clone() for k, v in module.state_dict().items()})
        return next(scores)

    module = net()
    result = train(module, settings=SETTINGS.model_copy(update={"epochs": 9, "patience": 2}), score=score)
    assert result.stopped == "no better score for 2 epochs"
    assert (result.best_epoch, len(result.history), result.epochs_run) == (1, 4, 4)
    assert all(torch.equal(v, seen[1][k]) for k, v in module.state_dict().items())


def test_without_keep_best_the_last_weights_stay():
    scores = iter([0.9, 0.1])
    module, plain = net(), net()
    settings = SETTINGS.model_copy(update={"epochs": 2, "keep_best": False})
    assert train(module, settings=settings, score=lambda _: next(scores)).best_epoch == 0
    train(plain, settings=settings)
    assert same(module, plain)


def test_bad_calls_are_refused():
    with pytest.raises(BadData, match="no training rows"):
        train(net(), split=rows().take(slice(0, 0)))
    with pytest.raises(RecipeError, match="patience"):
        train(net(), settings=SETTINGS.model_copy(update={"patience": 1}))
    with pytest.raises(Unsupported, match="no trainable parameter"):
        train(net().requires_grad_(False))


def test_frozen_parameters_stay():
    module = net()
    module.conv.requires_grad_(False)
    before = module.conv.weight.clone()
    train(module)
    assert torch.equal(module.conv.weight, before)


def test_bf16_trains_and_keeps_fp32_weights():
    module = net()
    result = train(module, settings=SETTINGS.model_copy(update={"precision": "bf16", "epochs": 6}))
    assert result.history[-1].loss < result.history[0].loss
    assert {p.dtype for p in module.parameters()} == {torch.float32}


class Recorder(Silent):
    def __init__(self):
        self.total, self.done, self.notes = 0, 0, []

    def task(self, label, total):
        self.total = total
        return super().task(label, total)


def test_progress_reaches_its_total(monkeypatch):
    monkeypatch.setattr(epoch, "_LOOK_EVERY", 3)
    recorder = Recorder()

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def advance(self, steps=1, note=""):
            recorder.done += steps
            recorder.notes.append(note)

    recorder.task = lambda label, total: setattr(recorder, "total", total) or Bar()
    train(net(), progress=recorder, score=accuracy)
    assert recorder.done == recorder.total == 28
    assert "loss" in recorder.notes[-1] and "score" in recorder.notes[-1]


def test_fp16_scales_losses_and_skips_steps_whose_gradients_overflow():
    huge = SETTINGS.model_copy(update={"precision": "fp16", "epochs": 2})
    module = net()
    with torch.no_grad():
        module.head.weight.mul_(300)
    result = train(module, settings=huge)
    assert 0 < result.skipped_steps < result.steps
    assert all(torch.isfinite(param).all() for param in module.parameters())


def test_fp16_goes_on_with_the_same_bits(tmp_path):
    half = SETTINGS.model_copy(update={"precision": "fp16"})
    whole = net()
    told = train(whole, settings=half, score=accuracy)
    stopped, resumed = net(), net()

    def dies(module, seen=[0]):  # noqa: B006
        seen[0] += 1
        if seen[0] == 3:
            raise KeyboardInterrupt
        return accuracy(module)

    with pytest.raises(KeyboardInterrupt):
        train(stopped, settings=half, score=dies, checkpoint=tmp_path / "fit")
    again = train(resumed, settings=half, score=accuracy, checkpoint=tmp_path / "fit")
    assert same(whole, resumed)
    assert again.skipped_steps == told.skipped_steps
