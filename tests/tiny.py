"""A small problem that is learned in a second: which of five patterns an image is made of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.core.doors import METRICS
from burnish.data.split import Split
from burnish.measure.quality import predict_module
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.kinds.fit import Fit
from burnish.testing import TinyImages, image_signature
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.workload import Workload


def rows(count: int, seed: int) -> Split:
    """Images [N, 3, 12, 12] of five noisy patterns, with their numbers."""
    patterns = np.random.default_rng(7).standard_normal((5, 3, 12, 12))
    patterns += np.random.default_rng(8).standard_normal((5, 3, 1, 1))
    generator = np.random.default_rng(seed)
    targets = np.arange(count) % 5
    images = patterns[targets] + 0.5 * generator.standard_normal((count, 3, 12, 12))
    return Split(inputs={"image": images.astype(np.float32)}, targets=targets)


def workload(**changes: Any) -> Workload:
    """`TinyImages` on these patterns."""
    made = Workload(
        name="tiny",
        title="Five patterns",
        build=TinyImages,
        train=rows(160, 0),
        validation=rows(100, 1),
        test=rows(100, 2),
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=image_signature(),
        fit=FitSettings(epochs=6, batch_size=16, learning_rate=1e-2, precision="fp32"),
        labels=tuple("abcde"),
    )
    return replace(made, **changes)


def context(**changes: Any) -> Context:
    """What a pass gets on this problem."""
    work = workload()

    def score(module: nn.Module) -> float:
        return work.metric.compute(predict_module(module, work.validation), work.validation.targets)

    made = Context(
        signature=work.signature,
        examples=work.train.batch(np.arange(4)).inputs,
        train=work.train,
        loss=work.loss,
        score=score,
        fit=work.fit,
        teacher=trained().module,
    )
    return replace(made, **changes)


def trained() -> Variant:
    """A trained model; a copy of its own for every caller."""
    return _trained().copy()


@cache
def _trained() -> Variant:
    work = workload()
    torch.manual_seed(0)
    bare = Context(
        signature=work.signature,
        examples=work.train.batch(np.arange(4)).inputs,
        train=work.train,
        loss=work.loss,
        score=lambda module: work.metric.compute(predict_module(module, work.validation), work.validation.targets),
        fit=work.fit,
    )
    return Fit()(Variant(module=work.build().eval()), bare).variant
