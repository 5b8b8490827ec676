"""Whole branches: which may go, that nothing else changes, and that the records bring them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from burnish.backends.backend import Backend
from burnish.core.doors import BACKENDS
from burnish.core.errors import ArtifactError, RecipeError
from burnish.core.manifest import Record
from burnish.measure.size import macs
from burnish.model.branch import Constant, branch_record, replay_branches
from burnish.model.replay import replay
from burnish.model.variant import Variant, predict
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.passes.pruning.branches import drop_branch, still_branch
from burnish.passes.pruning.explain import describe, explain
from burnish.workloads.resnet import ResNet
from tests import tiny
from tests.passes.models import Attention, Flatten


class InPlace(nn.Module):
    """The addition writes into the branch, as torchvision's residual networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.up, self.down = nn.Conv2d(8, 16, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        y = self.down(torch.relu(self.up(x)))
        y += x
        return self.head(y.mean((2, 3)))


def resnet() -> nn.Module:
    torch.manual_seed(0)
    module = ResNet(channels=3, classes=5, widths=(16, 32), blocks=2)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.3)
            nn.init.normal_(part.bias, 0.0, 0.3)
    return module.eval()


IMAGES = {"image": torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))}
TOKENS = {"x": torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(1))}


def branches(module: nn.Module, inputs: dict[str, Tensor]) -> dict[str, str]:
    graph, _ = explain(module.eval(), inputs)
    return {group.name: group.consumers()[0].name for group in graph.groups if group.branch}


def test_the_inside_of_every_residual_block_may_go():
    found = branches(resnet(), IMAGES)
    assert found == {f"stages.{s}.{b}.conv1": f"stages.{s}.{b}.conv2" for s in (0, 1) for b in (0, 1)}


def test_heads_and_hidden_units_may_go():
    torch.manual_seed(0)
    found = branches(Attention(), TOKENS)
    assert set(found.values()) == {"out", "down"}


def test_nothing_may_go_where_nothing_is_added():
    assert branches(Flatten(), {"x": torch.randn(2, 1, 8, 8)}) == {}


def test_a_sum_that_is_written_into_the_branch_gets_a_constant_of_full_size():
    torch.manual_seed(0)
    module = InPlace().eval()
    graph, _ = explain(module, IMAGES)
    (group,) = (group for group in graph.groups if group.branch)
    assert group.spread and group.consumers()[0].name == "down"
    work = InPlace().eval()
    work.load_state_dict(module.state_dict())
    gone = dict([drop_branch(work, group, [IMAGES])])
    again = replay_branches(InPlace(), branch_record(work, gone)).eval()
    again.load_state_dict(work.state_dict())
    torch.testing.assert_close(predict(again, IMAGES), predict(work, IMAGES))
    work.train()(**IMAGES).sum().backward()
    assert work.down.value.grad is not None


def test_a_network_of_torchvision_can_lose_branches():
    models = pytest.importorskip("torchvision.models")
    graph, _ = explain(models.resnet18(num_classes=5).eval(), {"x": torch.randn(2, 3, 64, 64)})
    assert sum(group.branch for group in graph.groups) == 8


def test_explain_says_so():
    graph, skipped = explain(resnet(), IMAGES)
    assert "stages.0.0.conv1: conv, 16 channels, may go whole: " in describe(graph.groups, skipped)


def test_the_constant_is_the_mean_of_what_the_branch_gave():
    module = resnet()
    seen: list[Tensor] = []
    handle = module.get_submodule("stages.1.1.norm2").register_forward_hook(lambda m, i, o: seen.append(o))
    predict(module, IMAGES)
    handle.remove()
    graph, _ = explain(module, IMAGES)
    group = next(group for group in graph.groups if group.name == "stages.1.1.conv1")
    assert drop_branch(module, group, [IMAGES]) == ("stages.1.1.conv2", "stages.1.1.norm2")
    constant = module.get_submodule("stages.1.1.conv2")
    assert isinstance(constant, Constant) and constant.value.shape == (1, 32, 1, 1)
    torch.testing.assert_close(constant.value.flatten(), seen[0].mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    assert isinstance(module.get_submodule("stages.1.1.norm2"), nn.Identity)


def by_layers(variants: Sequence[Variant]) -> list[float]:
    """A machine on which a convolution takes a millisecond, however wide it is."""
    return [float(sum(isinstance(part, nn.Conv2d) for part in variant.module.modules())) for variant in variants]


@pytest.fixture(scope="module")
def result() -> tuple[Variant, Variant]:
    work, start = tiny.workload(build=resnet), Variant(module=resnet())
    context = tiny.context(examples=work.train.batch(np.arange(4)).inputs, teacher=None, cost=by_layers)
    pass_ = Prune.parse({"latency": 0.8, "branches": True, "recover": {"epochs": 0.2, "teacher": False}})
    return start, pass_(start, context).variant


def test_branches_go_where_time_follows_layers(result: tuple[Variant, Variant]):
    before, after = result
    assert by_layers(result) == [10.0, 8.0]
    gone = [name for name, part in after.module.named_modules() if isinstance(part, Constant)]
    assert gone and all(name.endswith("conv2") for name in gone)
    assert [record.kind for record in after.records] == ["branches", "resize"]
    assert macs(after.module, IMAGES) < 0.8 * macs(before.module, IMAGES)
    assert not any(isinstance(part, Constant) for part in before.module.modules())


def test_the_records_bring_it_back(result: tuple[Variant, Variant]):
    _, after = result
    records = [Record.from_json(record.to_json()) for record in after.records]
    again = replay(resnet(), records).module
    again.load_state_dict(after.module.state_dict())
    torch.testing.assert_close(predict(again, IMAGES), predict(after.module, IMAGES))


def test_a_record_of_another_architecture_is_refused(result: tuple[Variant, Variant]):
    with pytest.raises(ArtifactError, match="the architecture differs"):
        replay_branches(Attention(), result[1].records[0])


@pytest.mark.parametrize("kind", ["norm behind", "no norm"])
def test_the_mean_is_that_of_the_branch_before_it_was_cut(kind: str):
    module, inputs, last, tail = (
        (resnet(), IMAGES, "stages.0.1.conv2", "stages.0.1.norm2")
        if kind == "norm behind"
        else (Attention().eval(), TOKENS, "down", "down")
    )
    seen: list[Tensor] = []
    handle = module.get_submodule(tail).register_forward_hook(lambda m, i, o: seen.append(o))
    predict(module, inputs)
    handle.remove()
    wanted = seen[0].mean((0, 2, 3)) if kind == "norm behind" else seen[0].mean((0, 1))
    graph, _ = explain(module, inputs)
    group = next(group for group in graph.groups if group.branch and group.consumers()[0].name == last)
    still_branch(graph.module, group, [inputs])
    graph.remove(group, list(range(1, group.channels)))
    drop_branch(graph.module, group, [inputs])
    constant = graph.module.get_submodule(last)
    assert isinstance(constant, Constant)
    torch.testing.assert_close(constant.value.flatten(), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["eager", "onnxruntime", "openvino"])
def test_compiled_programs_agree_and_lose_the_dead_layers(result: tuple[Variant, Variant], name: str, tmp_path):
    backend: Backend = BACKENDS.get(name)
    signature, sizes = tiny.workload().signature, []
    for number, variant in enumerate(result):
        folder = tmp_path / str(number)
        folder.mkdir()
        backend.build(variant.program(signature, IMAGES), folder, {})
        sizes.append(sum(file.stat().st_size for file in folder.iterdir()))
    executable = backend.load(folder, {}, signature=signature, threads=1)
    found = next(iter(executable({"image": IMAGES["image"].numpy()}).values()))
    executable.close()
    np.testing.assert_allclose(found, predict(result[1].module, IMAGES)[0].numpy(), atol=1e-4)
    assert sizes[1] < sizes[0]


def test_it_can_be_rounded_afterwards(result: tuple[Variant, Variant]):
    work = tiny.workload(build=resnet)
    context = replace(tiny.context(), examples=work.train.batch(np.arange(4)).inputs, teacher=None)
    rounding = Quantize(method="ptq", calibration_rows=16, max_drop=1.0, max_float_layers=0)
    rounded = rounding(result[1], context).variant
    again = replay(resnet(), rounded.records).module
    again.load_state_dict(rounded.module.state_dict())
    torch.testing.assert_close(predict(again, IMAGES), predict(rounded.module, IMAGES))


def test_several_steps_and_branches_do_not_go_together():
    with pytest.raises(RecipeError, match="branches go in one step"):
        Prune.parse({"ratio": 0.5, "branches": True, "steps": 2})
