import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.backends.onnx_file import heavy_ops, read_model, tidy
from burnish.core.errors import Unsupported


def model():
    node = helper.make_node("MatMul", ["in.1", "w"], ["out.1"], doc_string="File somewhere.py, line 3")
    quantized = [
        helper.make_node("DequantizeLinear", ["v", "s"], ["v_f"]),
        helper.make_node("MatMulInteger", ["in.1", "v"], ["unused"]),
    ]
    graph = helper.make_graph(
        [node, *quantized],
        "g",
        [helper.make_tensor_value_info("in.1", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("out.1", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(np.ones((4, 2), np.float32), "w"),
            numpy_helper.from_array(np.ones((4, 2), np.int8), "v"),
            numpy_helper.from_array(np.float32(1), "s"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


def test_ports_get_the_signature_names_and_notes_go():
    graph = read_model(tidy(model(), ["x"], ["y"])).graph
    assert [port.name for port in (*graph.input, *graph.output)] == ["x", "y"]
    assert graph.node[0].input[0] == "x"
    assert graph.node[0].output[0] == "y"
    assert graph.node[0].doc_string == ""


def test_shapes_noted_for_weights_go_and_others_stay():
    """A tool that transposes a weight leaves its note behind, and then refuses its own file."""
    noted = read_model(model())
    noted.graph.value_info.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 2]) for n in ("w", "v_f"))
    graph = read_model(tidy(noted.SerializeToString(), ["x"], ["y"])).graph
    assert [item.name for item in graph.value_info] == ["v_f"]


def test_another_number_of_ports_is_refused():
    with pytest.raises(Unsupported, match="1 inputs and 1 outputs"):
        tidy(model(), ["x", "z"], ["y"])


def test_heavy_operators_with_precision_and_bytes():
    rows = list(heavy_ops(model()))
    assert [(row.kind, row.precision, row.weight_bytes) for row in rows] == [
        ("MatMul", "fp32", 32),
        ("MatMulInteger", "int8", 8),
    ]


def test_other_bytes_are_refused():
    with pytest.raises(Unsupported, match="no ONNX model"):
        read_model(b"not a model")
