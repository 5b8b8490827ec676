"""A small BERT from transformers: batch and length stay free on every backend, in fp32 and int8."""

import gc
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from burnish.backends.bundle import to_numpy
from burnish.core.doors import BACKENDS
from burnish.core.signature import Signature, TensorSpec
from burnish.model import fake_quant
from burnish.model.variant import Program, predict

SIGNATURE = Signature(
    inputs=tuple(
        TensorSpec(name=name, dtype="int64", shape=("batch", "length")) for name in ("input_ids", "attention_mask")
    ),
    outputs=(TensorSpec(name="scores", dtype="float32", shape=("batch", 3)),),
)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        transformers = pytest.importorskip("transformers")
        config = transformers.BertConfig(
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        self.body = transformers.BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(32, 3)

    def forward(self, input_ids, attention_mask):
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask[..., None].to(tokens.dtype)
        return self.head((tokens * weight).sum(1) / weight.sum(1))


def inputs(batch, length, seed=0):
    ids = torch.randint(0, 100, (batch, length), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(ids)
    mask[0, (length + 1) // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture(scope="module")
def programs():
    torch.manual_seed(0)
    samples = [inputs(4, 9, seed) for seed in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = Classifier().eval()
        scheme = fake_quant.Scheme(bias_correction=False)
        rounded = fake_quant.insert(module, samples, scheme, attention=True)
        predict(rounded, samples[0])
        gc.collect()
    return {
        "fp32": Program(signature=SIGNATURE, examples=samples[0], module=module),
        "int8": Program(signature=SIGNATURE, examples=samples[0], module=rounded, precision="int8"),
    }


@pytest.mark.parametrize(
    ("name", "precision"),
    [("eager", "fp32"), ("openvino", "fp32"), ("openvino", "int8"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")],
)
def test_sizes_stay_free(name, precision, programs, tmp_path):
    backend, program = BACKENDS.get(name), programs[precision]
    options = backend.choices(precision)[0]
    backend.build(program, tmp_path, options)
    executable = backend.load(tmp_path, options, signature=SIGNATURE, threads=1)
    for batch, length in ((1, 5), (3, 17), (1, 1), (3, 5)):
        case = inputs(batch, length, seed=length)
        expected = predict(program.module, case)[0].numpy()
        found = executable(to_numpy(case))["scores"]
        assert np.abs(found - expected).max() < (1e-5 if precision == "fp32" else 0.05)
    executable.close()
    if precision == "int8":
        assert backend.coverage(tmp_path, options).byte_share > 0.99
