"""Training on a GPU; what needs one is skipped where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.errors import Unsupported
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.kinds.fit import Fit
from burnish.passes.kinds.quantize import Quantize
from burnish.passes.pruning.explain import explain
from burnish.passes.pruning.plan import Request, make_plan
from burnish.train.device import choose_device, device_name, moved
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.settings import FitSettings
from burnish.workloads.pictures import CropAndFlip, Normalize
from burnish.workloads.text import HideWords
from tests import tiny

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
CUDA = FitSettings(epochs=3, batch_size=16, learning_rate=1e-2, device="cuda")


def test_the_processor_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_name(torch.device("cpu")) == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_one_clear_error():
    with pytest.raises(Unsupported, match="no CUDA GPU") as caught:
        choose_device("cuda")
    assert "auto or cpu" in caught.value.help


def test_a_module_comes_back_from_where_it_was_moved():
    module = nn.Linear(2, 2)
    device = choose_device("auto")
    with pytest.raises(KeyboardInterrupt), moved(module, device), moved(nn.ReLU(), device):
        assert module.weight.device == device
        raise KeyboardInterrupt
    assert module.weight.device.type == "cpu"


def train(**changes):
    torch.manual_seed(0)
    module, work = tiny.TinyImages(), tiny.workload()
    settings = CUDA.model_copy(update=changes.pop("settings", {}))
    result = fit(
        module, work.train, objective=task(cross_entropy()), settings=settings, seed=1, progress=Silent(), **changes
    )
    return module, result


@gpu
def test_trains_there_and_comes_back_with_the_same_bits_each_time():
    module, result = train(settings={"precision": "bf16"})
    again, _ = train(settings={"precision": "bf16"})
    assert result.device == torch.cuda.get_device_name(0)
    assert result.precision_reason.startswith("bf16: asked for")
    assert result.history[-1].loss < result.history[0].loss
    for ours, theirs in zip(module.state_dict().values(), again.state_dict().values(), strict=True):
        assert ours.device.type == "cpu"
        assert torch.equal(ours, theirs)


@gpu
def test_a_run_goes_on_from_its_checkpoint_with_the_same_bits(tmp_path):
    whole, _ = train(settings={"schedule": "constant", "epochs": 4})
    stop = {"after": 2}

    def score(module: nn.Module) -> float:
        stop["after"] -= 1
        if stop["after"] < 0:
            raise KeyboardInterrupt
        return 0.0

    options = {"checkpoint": tmp_path / "c", "settings": {"schedule": "constant", "epochs": 4, "keep_best": False}}
    with pytest.raises(KeyboardInterrupt):
        train(score=score, **options)
    stop["after"] = 99
    resumed, result = train(score=score, **options)
    assert result.epochs_run == 4
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@gpu
@pytest.mark.parametrize("inner", [0.0, 0.5])
@pytest.mark.parametrize("augmented", [False, True])
def test_a_teacher_goes_along(inner, augmented):
    """With its answers cached or not, inner features compared or not, rows without labels or not."""
    context = tiny.context()
    rows = replace(context.train, augment=(lambda inputs, generator: inputs) if augmented else None)
    context = replace(context, train=rows, unlabelled=tiny.rows(40, 5), fit=CUDA)
    trained = tiny.trained()
    student = trained.module
    notes = recover(trained, context, Recover(epochs=2, features=inner, attention=inner), label="recover")
    assert notes["device"] == torch.cuda.get_device_name(0)
    assert notes["rows"] == 200
    assert {p.device.type for p in (*student.parameters(), *context.teacher.parameters())} == {"cpu"}


@gpu
def test_the_rounding_is_trained_there():
    context = replace(tiny.context(), fit=CUDA)
    outcome = Quantize(method="qat", calibration_rows=32)(tiny.trained(), context)
    assert outcome.notes["recovery"]["device"] == torch.cuda.get_device_name(0)
    assert {p.device.type for p in outcome.variant.module.parameters()} == {"cpu"}
    assert outcome.notes["qat score"] >= outcome.notes["score before"] - 0.05


@gpu
def test_channels_are_scored_there_as_on_the_processor():
    """One and the same rows: each module's derivatives differ only by rounding."""
    scores = []
    for device in ("cpu", "cuda"):
        context = replace(tiny.context(), fit=CUDA.model_copy(update={"device": device}))
        work = tiny.trained()
        graph, _ = explain(work.module, context.examples, (), True)
        request = Request(
            keep={"macs": 0.5}, criterion="taylor", ranking="global", max_ratio=0.9, round_to=0, score_rows=96
        )
        scores.append(make_plan(work, graph.groups, request, context).scores)
        assert {p.device.type for p in work.module.parameters()} == {"cpu"}
    for name, here in scores[0].items():
        assert torch.allclose(here, scores[1][name], rtol=0.05, atol=float(here.max()) * 1e-3)


@gpu
def test_the_score_is_taken_on_the_device():
    outcome = Fit(epochs=2)(tiny.trained(), replace(tiny.context(), fit=CUDA))
    assert outcome.notes["device"] == torch.cuda.get_device_name(0)
    assert len(outcome.notes["scores"]) == 2


@gpu
def test_augmentation_draws_the_same_on_every_device():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8), np.uint8)
    words = np.random.default_rng(1).integers(5, 50, (40, 9))
    images = Split(
        inputs={"image": pixels},
        targets=np.zeros(40, np.int64),
        prepare=Normalize(mean=(0.5,) * 3, std=(0.2,) * 3),
        augment=CropAndFlip(padding=2),
    )
    texts = Split(
        inputs={"input_ids": words},
        targets=np.zeros(40, np.int64),
        augment=HideWords(share=0.3, mask_id=4, spare=(7, 8)),
    )
    for split in (images, texts):
        here = split.shuffled(16, seed=3, epoch=1)
        there = split.shuffled(16, seed=3, epoch=1, device=torch.device("cuda"))
        for one, other in zip(here, there, strict=True):
            for name, tensor in one.inputs.items():
                assert other.inputs[name].device.type == "cuda"
                assert torch.allclose(tensor, other.inputs[name].cpu(), atol=1e-6)
            assert torch.equal(one.rows, other.rows)
