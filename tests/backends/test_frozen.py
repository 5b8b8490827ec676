"""A model whose size was frozen by tracing is refused, or fails with an error of ours and not the vendor's."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.core.doors import BACKENDS
from burnish.core.errors import BurnishError, Unsupported
from burnish.core.signature import Signature, TensorSpec
from burnish.model.variant import Program

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", "length")),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 9)),),
)


def frozen() -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "size"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 9])],
        [numpy_helper.from_array(np.array([2, 9]), "size")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def program():
    return Program(signature=SIGNATURE, examples={}, onnx_bytes=frozen())


def test_openvino_refuses_to_build_it(tmp_path):
    with pytest.raises(Unsupported, match="'batch' was frozen to 2") as caught:
        BACKENDS.get("openvino").build(program(), tmp_path, {})
    assert "output 'y'" in caught.value.where


def test_onnxruntime_explains_the_call_that_fails(tmp_path):
    backend = BACKENDS.get("onnxruntime")
    backend.build(program(), tmp_path, {})
    executable = backend.load(tmp_path, {}, signature=SIGNATURE, threads=1)
    assert executable({"x": np.ones((2, 9), np.float32)})["y"].shape == (2, 9)
    with pytest.raises(BurnishError, match="failed on these inputs") as caught:
        executable({"x": np.ones((1, 5), np.float32)})
    assert "frozen" in caught.value.help
