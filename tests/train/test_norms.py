from __future__ import annotations

import numpy as np
import torch
from torch import nn

from burnish.train.norms import recalibrate
from tests import tiny


def test_statistics_become_the_average_over_the_batches() -> None:
    module = tiny.trained().module
    norm = module.features[1]
    norm.running_mean.fill_(100.0)
    split = tiny.rows(60, 0)
    assert recalibrate(module, split.in_order(20)) == 1
    with torch.no_grad():
        before = [module.features[0](batch.inputs["image"]) for batch in split.in_order(20)]
    mean = torch.stack([t.mean((0, 2, 3)) for t in before]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    assert norm.momentum == 0.1


def test_dropout_stays_off_and_the_module_ends_in_evaluation_mode() -> None:
    module = nn.Sequential(nn.Dropout(1.0 - 1e-9), nn.BatchNorm1d(432)).train()
    split = tiny.rows(20, 0)
    batches = [split.batch(np.arange(20))]
    flat = [type(b)(inputs={"input": b.inputs["image"].flatten(1)}, targets=b.targets, rows=b.rows) for b in batches]
    recalibrate(module, flat)
    assert float(module[1].running_var.mean()) > 0.1
    assert not module.training and not module[0].training


def test_without_batch_norm_nothing_is_run() -> None:
    assert recalibrate(nn.Linear(2, 2), iter(())) == 0
