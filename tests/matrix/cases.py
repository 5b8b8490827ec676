"""The matrix: models of many kinds, each with a small task that it is taught before it is optimized."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.files import digest
from burnish.core.progress import Silent
from burnish.measure.quality import predict_module
from burnish.model.weights import load_state, save_state
from burnish.train.loop import fit
from burnish.train.objectives import task as on_labels
from burnish.train.settings import FitSettings
from burnish.workloads.from_arrays import from_arrays
from tests.matrix import plain, tasks, zoo
from tests.matrix.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Case:
    """One module and its task. `good` is what teaching must reach."""

    name: str
    kind: str
    build: Callable[[], nn.Module]
    task: Callable[[], Task]
    epochs: float = 6
    rate: float = 2e-3
    good: float = 0.6


CASES = (
    Case(name="tabular-mlp", kind="dense", build=plain.Tabular, task=tasks.table, epochs=12, good=0.9),
    Case(name="lstm", kind="recurrent", build=partial(plain.Recurrent, "lstm"), task=tasks.rows, epochs=10),
    Case(
        name="two-outputs",
        kind="two outputs",
        build=plain.TwoOutputs,
        task=tasks.pictures,
        epochs=20,
        rate=5e-3,
    ),
    Case(name="gru", kind="recurrent", build=partial(plain.Recurrent, "gru"), task=tasks.rows),
    Case(name="two-inputs", kind="two inputs", build=plain.TwoInputs, task=tasks.halves),
    Case(name="tied-weights", kind="tied weights", build=plain.Tied, task=tasks.first_token, rate=5e-3, epochs=12),
    Case(name="free-conv1d", kind="dynamic length", build=plain.FreeLengthConv, task=partial(tasks.rows, free=True)),
    Case(
        name="free-transformer",
        kind="dynamic length",
        build=plain.FreeLengthTransformer,
        task=partial(tasks.rows, free=True),
    ),
    Case(
        name="autoencoder", kind="regression", build=plain.Autoencoder, task=tasks.same_picture, epochs=10, good=-0.03
    ),
    Case(
        name="resnet18",
        kind="residual",
        build=partial(zoo.torchvision_model, "resnet18"),
        task=tasks.pictures,
        epochs=3,
    ),
    Case(
        name="mobilenet-v3-small",
        kind="depthwise, gates",
        build=zoo.mobilenet,
        task=tasks.pictures,
        epochs=8,
    ),
    Case(
        name="efficientnet-b0",
        kind="depthwise, gates",
        build=partial(zoo.torchvision_model, "efficientnet_b0"),
        task=tasks.pictures,
        epochs=6,
    ),
    Case(name="densenet", kind="concatenation", build=zoo.densenet, task=tasks.pictures),
    Case(name="convnext", kind="depthwise, LayerNorm", build=zoo.convnext, task=tasks.pictures, epochs=10),
    Case(
        name="squeezenet",
        kind="concatenation",
        build=partial(zoo.torchvision_model, "squeezenet1_1"),
        task=partial(tasks.pictures, 64),
        epochs=6,
        rate=5e-4,
    ),
    Case(
        name="shufflenet",
        kind="channel shuffle",
        build=partial(zoo.torchvision_model, "shufflenet_v2_x0_5"),
        task=tasks.pictures,
        epochs=10,
    ),
    Case(
        name="regnet",
        kind="grouped convolutions",
        build=partial(zoo.torchvision_model, "regnet_y_400mf"),
        task=tasks.pictures,
        epochs=5,
    ),
    Case(name="r3d", kind="three-dimensional", build=zoo.video, task=tasks.clips, epochs=4),
    Case(name="vit", kind="nn.MultiheadAttention", build=zoo.vit, task=tasks.pictures, epochs=10),
    Case(name="swin", kind="shifted windows", build=zoo.swin, task=tasks.pictures, epochs=30),
    Case(name="timm-vit", kind="fused qkv", build=zoo.timm_vit, task=tasks.pictures, epochs=30),
    Case(name="timm-mixer", kind="token mixing", build=zoo.timm_mixer, task=tasks.pictures, epochs=10),
    Case(name="bert", kind="encoder", build=zoo.bert, task=tasks.tokens, rate=2e-3, epochs=20),
    Case(name="distilbert", kind="encoder", build=zoo.distilbert, task=tasks.tokens, rate=2e-3, epochs=25),
    Case(name="gpt2", kind="decoder, fused qkv", build=zoo.Decoder, task=tasks.tokens, epochs=12),
)


def settings_of(case: Case) -> FitSettings:
    """The training that teaches the case, and from which recoveries are derived."""
    return FitSettings(epochs=case.epochs, batch_size=32, learning_rate=case.rate, precision="fp32")


def taught(case: Case) -> tuple[nn.Module, Task, float]:
    """The case's model after training, its task, and its score on the training rows' first thousand.

    Weights are kept under `$BURNISH_BASES`, when it is set, by the case and this room's source.
    """
    torch.manual_seed(0)
    module, task = case.build().eval(), case.task()
    work = from_arrays(module, train=task.train, test=task.test, loss=task.loss, metric=task.metric)
    folder = os.environ.get("BURNISH_BASES")
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("[ptz]*.py"))]
    key = digest(case.name, settings_of(case).to_json(), *sources)
    path = Path(folder or ".") / f"{case.name}-{key[:16]}.safetensors"
    if folder and path.exists():
        load_state(module, path)
    else:
        fit(module, work.train, objective=on_labels(work.loss), settings=settings_of(case), seed=0, progress=Silent())
        if folder:
            save_state(module, path)
    module.eval()
    metric = METRICS.get(task.metric)
    sample = work.validation
    value = metric.compute(predict_module(module, sample), sample.targets)
    return module, task, value if metric.higher_is_better else -value


def options_of(case: Case, task: Task) -> dict[str, Any]:
    """What `burnish.optimize` is told beside the model: data, loss, metric, training."""
    return {
        "train": task.train,
        "test": task.test,
        "loss": task.loss,
        "metric": task.metric,
        "dynamic": task.dynamic,
        "fit": settings_of(case),
    }
