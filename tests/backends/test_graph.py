import json

import numpy as np
import pytest
import torch
from torch import nn

from burnish.backends.export import export
from burnish.backends.graph.format import GRAPH_FILE, WEIGHTS_FILE
from burnish.backends.graph.read import read_graph
from burnish.backends.graph.write import write_graph
from burnish.core.errors import ArtifactError, Unsupported
from burnish.core.signature import Signature, TensorSpec
from burnish.model.variant import Program
from burnish.testing import TinySequences, sequence_inputs, sequence_signature


class Assorted(nn.Module):
    """Tied weights, bfloat16, buffer, arithmetic on sizes, slices, one filled; regions without gradients, autocast."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.rough = nn.Parameter(torch.randn(4).bfloat16())
        self.register_buffer("steps", torch.arange(50.0))

    def forward(self, x):
        with torch.no_grad():
            count = self.steps[: x.shape[1]].mean()
        x = self.second(torch.relu(self.first(x))) * self.rough.float()
        middle = x[:, x.shape[1] // 2 :, :].sum(1)
        with torch.autocast("cpu", enabled=False):
            middle = middle.float() * 2
        mask = x.new_zeros(4)
        mask[1:3] = 2
        middle = middle + mask
        return (middle / (x.shape[0] * 2 + 1) + count).clamp(min=float("-inf"), max=3.0)


SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", "length", 4)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 4)),),
)


@pytest.fixture
def written(tmp_path):
    torch.manual_seed(0)
    module = TinySequences().eval()
    write_graph(
        export(Program(signature=sequence_signature(), examples=sequence_inputs(2, 9), module=module), "t"), tmp_path
    )
    return tmp_path, module


def test_round_trip_at_other_sizes(written):
    folder, module = written
    again = read_graph(folder)
    for batch, length in ((1, 1), (3, 17)):
        inputs = sequence_inputs(batch, length)
        for found, expected in zip(again(**inputs), module(**inputs), strict=True):
            torch.testing.assert_close(found, expected)


def test_assorted_arguments(tmp_path):
    torch.manual_seed(0)
    module = Assorted().eval()
    write_graph(
        export(Program(signature=SIGNATURE, examples={"x": torch.randn(2, 6, 4)}, module=module), "t"), tmp_path
    )
    x = torch.randn(5, 11, 4)
    torch.testing.assert_close(read_graph(tmp_path)(x=x)[0], module(x))
    with np.load(tmp_path / WEIGHTS_FILE, allow_pickle=False) as arrays:
        assert sum(arrays[name].shape == (4, 4) for name in arrays.files) == 1


@pytest.mark.parametrize(("dims", "layout"), [(2, torch.channels_last), (3, torch.channels_last_3d)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_channels_that_come_last_still_do(tmp_path, dims, layout, kernel):
    """Else the graph would run other, often slower kernels than the module it stands for."""
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    module = nn.Sequential(conv(3, 8, kernel, padding=kernel // 2), nn.ReLU(), conv(8, 4, 1)).eval()
    image = torch.randn(2, 3, *[6] * dims)
    for wanted in (module, module.to(memory_format=layout)):
        signature = Signature(
            inputs=(TensorSpec(name="input", dtype="float32", shape=("batch", *image.shape[1:])),),
            outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 4, *image.shape[2:])),),
        )
        write_graph(export(Program(signature=signature, examples={"input": image}, module=wanted), "t"), tmp_path)
        again = read_graph(tmp_path)
        strides = {tensor.stride() for name, tensor in again.named_buffers() if tensor.dim() > 2}
        assert strides == {weight.stride() for weight in wanted.parameters() if weight.dim() > 2}
        found, expected = again(input=image)[0], wanted(image)
        torch.testing.assert_close(found, expected)
        assert found.stride() == expected.stride()


def test_a_graph_of_the_version_before_is_still_read(written):
    folder, module = written
    data = json.loads((folder / GRAPH_FILE).read_text())
    del data["orders"]
    (folder / GRAPH_FILE).write_text(json.dumps(data | {"version": 1}))
    inputs = sequence_inputs(2, 5)
    torch.testing.assert_close(read_graph(folder)(**inputs)[0], module(**inputs)[0])


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 2, 3], [3, 2, 1, 0], "0231", [0, 2, 3, 4, 1], 7])
def test_an_order_that_is_none_is_refused(written, order):
    folder, _ = written
    data = json.loads((folder / GRAPH_FILE).read_text())
    data["orders"] = {next(iter(data["dtypes"])): order}
    (folder / GRAPH_FILE).write_text(json.dumps(data))
    with pytest.raises(ArtifactError):
        read_graph(folder)


def test_no_paths_of_the_source_are_written(written):
    assert ".py" not in (written[0] / GRAPH_FILE).read_text()


def test_operators_outside_aten_are_refused(tmp_path):
    torch.library.define("burnish_test::twice", "(Tensor x) -> Tensor")
    torch.library.impl("burnish_test::twice", "CompositeExplicitAutograd")(lambda x: x * 2)
    torch.library.register_fake("burnish_test::twice")(torch.empty_like)

    class Custom(nn.Module):
        def forward(self, x):
            return torch.ops.burnish_test.twice(x).sum(1)

    program = Program(signature=SIGNATURE, examples={"x": torch.randn(2, 6, 4)}, module=Custom())
    with pytest.raises(Unsupported, match="burnish_test") as caught:
        write_graph(export(program, "t"), tmp_path)
    assert "test_graph.py" in caught.value.where


@pytest.mark.parametrize(
    "row",
    [
        {"op": "torch.os.system", "args": ["true"], "kwargs": {}},
        {"op": "os.system", "args": ["true"], "kwargs": {}},
        {"op": "aten.from_file.default", "args": ["graph.json", True, 1], "kwargs": {}},
        {"op": "aten.__class__.__init__", "args": [], "kwargs": {}},
        {"op": "aten.add.__call__", "args": [1, 2], "kwargs": {}},
        {"op": "operator.attrgetter", "args": ["x"], "kwargs": {}},
        {"op": "aten.relu.default", "args": [{"dtype": "load"}], "kwargs": {}},
        {"op": "aten.relu.default", "args": [{"node": 10_000}], "kwargs": {}},
        {"op": "aten.relu.default", "args": [{"eval": "1"}], "kwargs": {}},
        {"op": "aten.relu.default", "args": [], "kwargs": {"x=print()": 1}},
        {"input": "x, y=print('hello')"},
        {"input": "class"},
        {"weight": "w999"},
    ],
)
def test_a_prepared_graph_is_refused(written, row):
    folder, _ = written
    data = json.loads((folder / GRAPH_FILE).read_text())
    data["nodes"].insert(0, row)
    (folder / GRAPH_FILE).write_text(json.dumps(data))
    with pytest.raises(ArtifactError):
        read_graph(folder)


def test_pickled_weights_are_refused(written):
    folder, _ = written
    names = json.loads((folder / GRAPH_FILE).read_text())["dtypes"]
    np.savez(folder / WEIGHTS_FILE, **{name: np.array([object()]) for name in names})
    with pytest.raises(ArtifactError, match="cannot read"):
        read_graph(folder)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99, "nodes": [], "dtypes": {}}', "[1]"])
def test_an_incomplete_file_is_an_artifact_error(written, text):
    folder, _ = written
    (folder / GRAPH_FILE).write_text(text)
    with pytest.raises(ArtifactError):
        read_graph(folder)
