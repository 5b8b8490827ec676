"""The answers of all candidates, two processes side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from burnish.backends.kinds import eager, onnxruntime
from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.measure.quality import predict_module
from burnish.model.variant import Variant
from burnish.pipeline.answers import Answers
from burnish.pipeline.choice import Choice
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.recipe import Compile
from burnish.pipeline.workbench import Workbench
from tests import tiny


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_has_its_own_answers_and_one_that_fails_costs_nobody_else(threads: int, tmp_path: Path) -> None:
    workload = tiny.workload()
    examples = dict(workload.train.batch(np.arange(8)).inputs)
    bench = Workbench(
        workload=workload, choice=Choice(compile=Compile()), served=(Served(batch=1),), threads=threads,
        folder=tmp_path, progress=Silent(), examples=examples,
    )  # fmt: skip
    torch.manual_seed(0)
    variants = [Variant(module=workload.build().eval()) for _ in range(2)]
    finalists = [
        Finalist(stage=stage, name=f"{stage}", variant=variant, built=bench.build(variant, backend.PART, {}))
        for stage, variant in enumerate(variants)
        for backend in (eager, onnxruntime)
    ]
    broken, wrong = finalists[1], finalists[2]
    next(broken.built.folder.glob("*.onnx")).write_bytes(b"no model")
    flipped = [param.neg() for param in variants[1].module.parameters()]
    wrong.variant = Variant(module=workload.build().eval())
    with torch.no_grad():
        for param, other in zip(wrong.variant.module.parameters(), flipped, strict=True):
            param.copy_(other)
    wrong.stage = 2

    Answers(bench=bench, tolerance=0.0).collect(finalists)

    assert broken.on_validation is None and broken.on_test is None and not broken.exact and broken.reason
    assert "not exact enough" in wrong.reason and wrong.on_validation is not None and wrong.on_test is None
    for finalist in (finalists[0], finalists[3]):
        assert finalist.exact and finalist.on_validation is not None and finalist.on_test is not None
        for found, rows in ((finalist.on_validation, workload.validation), (finalist.on_test, workload.test)):
            np.testing.assert_allclose(found, predict_module(finalist.variant.module, rows), atol=1e-4)
