from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.errors import BadData
from burnish.core.signature import Signature, TensorSpec
from burnish.data.split import Split
from burnish.train.losses import cross_entropy
from burnish.workloads.contract import BrokenContract, check_workload
from burnish.workloads.registry import get


@pytest.fixture(scope="module")
def digits():
    return get("digits")


def outputs(*shape, dtype="float32"):
    return (TensorSpec(name="logits", dtype=dtype, shape=shape),)


def test_a_good_workload_passes(digits):
    check_workload(digits, again=get("digits"))


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(np.random.default_rng().normal(size=(64, 10)), dtype=torch.float32))

    def forward(self, image):
        return image.flatten(1) @ self.weight


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Linear(64, 10)
        self.unused = nn.Linear(2, 2)

    def forward(self, image):
        return self.used(image.flatten(1))


def test_broken_promises_are_found(digits):
    first = digits.train.take(slice(0, 50))
    signature = digits.signature
    noisy = Split(
        inputs=first.inputs,
        targets=first.targets,
        prepare=first.prepare,
        augment=lambda inputs, generator: {"image": inputs["image"] + torch.rand(1)},
    )
    cases = [
        ({"test": first}, "are also train rows"),
        ({"validation": first.take(slice(0, 2))}, "fewer than 3 rows"),
        ({"train": noisy}, "not deterministic under its generator"),
        ({"build": Random}, r"build\(\) is not deterministic"),
        ({"build": Unused}, r"does not reach: unused\.weight"),
        ({"signature": Signature(inputs=signature.inputs, outputs=outputs("batch", 9))}, "not .'batch', 9."),
        ({"signature": Signature(inputs=signature.inputs, outputs=outputs("batch", 10, dtype="int64"))}, "not int64"),
        ({"signature": Signature(inputs=outputs("batch", 1, 8, 8), outputs=signature.outputs)}, "batches have"),
        ({"loss": lambda outputs, targets: cross_entropy()(outputs, targets) * float("nan")}, "the loss is"),
        ({"metric": replace_compute(digits.metric, 1.5)}, "not a share"),
    ]
    for change, match in cases:
        with pytest.raises(BrokenContract, match=match):
            check_workload(replace(digits, **change))


def replace_compute(metric, value):
    class Wrong(type(metric)):
        def compute(self, predictions, targets):
            return value

    return Wrong()


def test_bad_rows_and_other_rows_are_found(digits):
    labels = digits.test.targets.copy()
    labels[0] = 10
    with pytest.raises(BadData, match="the label 10"):
        check_workload(replace(digits, test=replace(digits.test, targets=labels)))
    with pytest.raises(BrokenContract, match="other train rows"):
        check_workload(digits, again=get("digits", seed=1))
