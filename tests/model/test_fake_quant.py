from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import torch
from torch import nn

from burnish.core.errors import Unsupported
from burnish.core.manifest import Record
from burnish.model import fake_quant
from burnish.model.replay import replay
from burnish.model.variant import predict
from burnish.testing import TinyImages, image_inputs
from tests import tiny

SAMPLES = [image_inputs(1, seed) for seed in range(16)]


def test_what_comes_out_is_the_same_class_and_rounds() -> None:
    module = tiny.trained().module
    rounded = fake_quant.insert(module, SAMPLES, fake_quant.Scheme(), attention=False)
    assert isinstance(rounded, TinyImages)
    before, after = (predict(m, image_inputs(4))[0] for m in (module, rounded))
    assert 0 < float((before - after).abs().max()) < float(before.std())
    assert set(module.state_dict()) < set(rounded.state_dict())


def test_structure_as_json_and_weights_give_the_same_answers() -> None:
    rounded = fake_quant.insert(tiny.trained().module, SAMPLES, fake_quant.Scheme(), attention=False)
    entry = Record.from_json(fake_quant.record(rounded).to_json())
    twin = replay(TinyImages(), [entry])
    assert twin.precision == "int8"
    twin.module.load_state_dict(rounded.state_dict())
    assert torch.equal(predict(twin.module, image_inputs(4))[0], predict(rounded, image_inputs(4))[0])


def test_layers_can_be_left_in_float() -> None:
    scheme = fake_quant.Scheme(smooth=False, bias_correction=False)
    every, fewer = (
        fake_quant.insert(tiny.trained().module, SAMPLES, scheme, attention=False, keep_float=keep)
        for keep in ((), ("features.0", "features.3"))
    )
    assert len(fewer.state_dict()) < len(every.state_dict())
    error = [float((predict(m, SAMPLES[0])[0] - predict(tiny.trained().module, SAMPLES[0])[0]).abs().max())
             for m in (every, fewer)]  # fmt: skip
    assert error[1] < error[0]


def test_a_model_that_cannot_be_traced_is_unsupported() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("this cannot be run")

    with pytest.raises(Unsupported, match="cannot be put into this model") as caught:
        fake_quant.insert(Broken(), SAMPLES, fake_quant.Scheme(), attention=False)
    assert caught.value.where == "Broken"
    assert "this cannot be run" in caught.value.why


def test_the_first_forward_pass_leaves_no_thread_pool_and_says_nothing() -> None:
    code = (
        "import gc, torch, logging\n"
        "logging.basicConfig()\n"
        "from burnish.model import fake_quant\n"
        "from burnish.testing import TinyImages, image_inputs\n"
        "module = TinyImages().eval()\n"
        "rounded = fake_quant.insert(module, [image_inputs(1)], fake_quant.Scheme(), attention=False)\n"
        "rounded(**image_inputs(2)).sum().backward()\n"
        "gc.collect()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", code], capture_output=True, text=True, check=True
    )
    assert "ThreadPool" not in done.stderr and "unclosed" not in done.stderr
    assert "CUDA" not in done.stderr
    assert done.stdout == ""


def test_the_extensions_logger_is_left_as_it_was() -> None:
    logger = logging.getLogger("torch.utils.cpp_extension")
    logger.setLevel(logging.INFO)
    fake_quant.record(fake_quant.insert(TinyImages().eval(), SAMPLES, fake_quant.Scheme(), attention=False))
    assert logger.level == logging.INFO
    logger.setLevel(logging.NOTSET)
