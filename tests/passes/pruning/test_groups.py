from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from burnish.core.errors import Unsupported
from burnish.model.variant import predict
from burnish.passes.pruning.equivalence import probe, proven, retune
from burnish.passes.pruning.explain import describe, explain
from burnish.passes.pruning.groups import trace
from burnish.passes.pruning.heads import attention_projections
from tests.passes.models import Attention, Flatten, TwoInputs, Volume


def cut_everything(module: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[int, int]:
    before = sum(p.numel() for p in module.parameters())
    graph, _ = explain(module, inputs)
    for group in graph.groups:
        graph.remove(group, probe(group))
        retune(graph.module, group, len(probe(group)))
    predict(graph.module, inputs)
    return before, sum(p.numel() for p in graph.module.parameters())


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (torchvision.models.resnet18(num_classes=5), {"x": torch.randn(2, 3, 32, 32)}),
        (torchvision.models.mobilenet_v2(num_classes=5), {"x": torch.randn(2, 3, 32, 32)}),
        (torchvision.models.densenet121(num_classes=5), {"x": torch.randn(2, 3, 32, 32)}),
        (Volume(), {"x": torch.randn(2, 1, 8, 8, 8)}),
        (Attention(), {"x": torch.randn(2, 5, 16)}),
        (Flatten(), {"x": torch.randn(2, 1, 8, 8)}),
        (TwoInputs(), {"a": torch.randn(2, 6), "b": torch.randn(2, 4)}),
    ],
    ids=["resnet", "depthwise", "dense", "volume", "attention", "flatten", "two inputs"],
)
def test_every_kind_of_network_gets_smaller_and_still_runs(module: nn.Module, inputs: dict[str, torch.Tensor]) -> None:
    before, after = cut_everything(module.eval(), inputs)
    assert after < 0.85 * before


def test_removing_what_nobody_reads_changes_nothing() -> None:
    module = torchvision.models.resnet18(num_classes=5).eval()
    inputs = {"x": torch.randn(2, 3, 32, 32)}
    graph = trace(module, inputs)
    good, skipped = proven(graph, inputs)
    assert len(good) == len(graph.groups) > 5
    assert skipped == []


def test_a_shape_that_is_written_into_the_code_is_found_before_any_cut() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 16)
            self.second = nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = torch.relu(self.first(x))
            return self.second(hidden.reshape(-1, 16))

    with pytest.raises(Unsupported, match="no layer") as caught:
        explain(Fixed().eval(), {"x": torch.randn(2, 8)})
    assert "first" in str(caught.value)


def test_heads_go_as_one() -> None:
    module = Attention().eval()
    inputs = {"x": torch.randn(2, 5, 16)}
    assert attention_projections(module, inputs) == {"query": 4, "key": 4, "value": 4}
    graph, _ = explain(module, inputs)
    heads = next(group for group in graph.groups if group.kind == "heads")
    assert (heads.channels, heads.block, heads.num_blocks) == (16, 4, 4)


def test_output_layer_is_left_alone_and_named() -> None:
    graph, skipped = explain(Flatten().eval(), {"x": torch.randn(2, 1, 8, 8)})
    text = describe(graph.groups, skipped)
    assert "left alone: head: its channels are an output of the model" in text
    assert "conv: conv, 8 channels" in text


def test_ignored_layers_keep_their_width() -> None:
    graph = trace(Flatten().eval(), {"x": torch.randn(2, 1, 8, 8)}, ignored=("conv",))
    assert "conv" not in [group.name for group in graph.groups]
    assert ("conv", "named in `ignore`") in [(skip.where, skip.why) for skip in graph.skipped]
