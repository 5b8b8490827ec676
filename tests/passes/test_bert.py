"""A small BERT from transformers, cut: heads and hidden units go, and every length still runs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data.split import Split
from burnish.measure.size import parameters
from burnish.model.replay import replay
from burnish.model.variant import Variant, predict
from burnish.passes.base import Context
from burnish.passes.distillation.relations import Watcher, attention_loss, feature_loss
from burnish.passes.kinds.prune import Prune
from burnish.passes.pruning.heads import attention_projections
from burnish.train.losses import cross_entropy
from tests.backends.test_bert import SIGNATURE, Classifier, inputs


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def bert() -> nn.Module:
    torch.manual_seed(0)
    return Classifier().eval()


@pytest.fixture(scope="module")
def context() -> Context:
    rows = inputs(64, 9)
    split = Split(
        inputs={name: tensor.numpy() for name, tensor in rows.items()},
        targets=np.random.default_rng(0).integers(0, 3, 64),
    )
    return Context(
        signature=SIGNATURE,
        examples=split.batch(np.arange(4)).inputs,
        train=split,
        loss=cross_entropy(),
        score=lambda module: 1.0,
    )


def test_projections_are_found_by_watching(bert: nn.Module, context: Context) -> None:
    found = attention_projections(bert, context.examples)
    assert len(found) == 6
    assert set(found.values()) == {16}


@pytest.mark.parametrize("criterion", ["l1", "taylor"])
def test_heads_and_hidden_units_go_and_attributes_follow(bert: nn.Module, context: Context, criterion: str) -> None:
    settings = {"ratio": 0.5, "ranking": "local", "streams": False, "criterion": criterion, "recover": {"epochs": 0}}
    outcome = Prune.parse(settings)(Variant(module=bert), context)
    module = outcome.variant.module
    for layer in module.body.encoder.layer:
        attention = layer.attention.self
        assert (attention.query.out_features, attention.value.out_features) == (16, 16)
        assert (attention.num_attention_heads, attention.all_head_size, attention.attention_head_size) == (1, 16, 16)
        assert layer.attention.output.dense.in_features == 16
        assert (layer.intermediate.dense.out_features, layer.output.dense.in_features) == (32, 32)
    for batch, length in ((1, 5), (3, 17), (2, 1)):
        assert predict(module, inputs(batch, length))[0].shape == (batch, 3)
    twin = replay(Classifier(), outcome.variant.records).module
    twin.load_state_dict(module.state_dict())
    case = inputs(3, 11)
    assert torch.equal(predict(twin, case)[0], predict(module, case)[0])


def test_the_hidden_width_can_be_cut_too(bert: nn.Module, context: Context) -> None:
    settings = {"ratio": 0.5, "ranking": "local", "criterion": "l2", "recover": {"epochs": 0}}
    outcome = Prune.parse(settings)(Variant(module=bert), context)
    assert parameters(outcome.variant.module) < 0.6 * parameters(bert)
    for batch, length in ((1, 5), (3, 17)):
        assert predict(outcome.variant.module, inputs(batch, length))[0].shape == (batch, 3)


def test_attention_is_compared_across_numbers_of_heads(bert: nn.Module, context: Context) -> None:
    settings = {"ratio": 0.5, "ranking": "local", "streams": False, "criterion": "l1", "recover": {"epochs": 0}}
    small = Prune.parse(settings)(Variant(module=bert), context).variant.module
    seen = {}
    for name, module in (("teacher", bert), ("same", bert), ("small", small)):
        with torch.no_grad(), Watcher(module) as seen[name]:
            module(**context.examples)
    assert len(seen["teacher"].attention) == len(seen["small"].attention) == 2
    assert float(attention_loss(seen["same"], seen["teacher"])) == pytest.approx(0, abs=1e-7)
    assert float(feature_loss(seen["same"], seen["teacher"])) == pytest.approx(0, abs=1e-7)
    assert float(attention_loss(seen["small"], seen["teacher"])) > 1e-6
