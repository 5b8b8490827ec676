import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from burnish.backends.onnx_file import read_model
from burnish.backends.onnx_lower import lower_fake_quantize
from burnish.core.errors import Unsupported
from tests.backends.fake_graph import DOMAIN, fake, lowered, model, quantize_node, run, symmetric


@settings(max_examples=40)
@given(zero=st.integers(0, 255), scale=st.floats(1e-3, 10), seed=st.integers(0, 99))
def test_activations_round_as_the_definition_says(zero, scale, seed):
    low, high = np.float32(-zero * scale), np.float32((255 - zero) * scale)
    x = np.random.default_rng(seed).normal(0, 100 * scale, (3, 4)).astype(np.float32)
    nodes = [quantize_node("x", "a"), helper.make_node("Identity", ["a_q"], ["y"])]
    found = run(lowered(model(nodes, {"a_low": low, "a_high": high}, [3, 4], 2)), x)
    # a value that lies between two steps may go to either, because the two divide differently
    assert np.abs(found - fake(x, low, high, 256)).max() <= scale * 1.001
    assert np.mean(np.abs(found - fake(x, low, high, 256)) > scale * 0.01) < 0.2


def test_conv_weights_become_int8_and_take_the_norm_in():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    low, high = symmetric(weight, 0)
    norm = {
        "gamma": [1.0, -2.0, 0.5, 3.0],
        "beta": rng.normal(size=4),
        "mean": rng.normal(size=4),
        "variance": [1.0, 2.0, 0.5, 4.0],
    }
    nodes = [
        quantize_node("w", "w", levels=255),
        helper.make_node("Conv", ["x", "w_q", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", *norm], ["y"], epsilon=1e-5),
    ]
    constants = {"w": weight, "w_low": low, "w_high": high, "b": rng.normal(size=4)} | norm
    proto = lowered(model(nodes, constants, [2, 3, 8, 8], 4))
    assert [node.op_type for node in proto.graph.node] == ["DequantizeLinear", "Conv"]
    assert {item.data_type for item in proto.graph.initializer if len(item.dims) == 4} == {TensorProto.INT8}
    assert {entry.domain for entry in proto.opset_import} == {""}

    plain = model(
        [helper.make_node("Conv", ["x", "r", "b"], ["c"], pads=[1, 1, 1, 1]), nodes[2]],
        {"r": fake(weight, low, high, 255), "b": constants["b"]} | norm,
        [2, 3, 8, 8],
        4,
    )
    x = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(run(proto, x), run(read_model(plain), x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("per_channel", [True, False])
def test_transposed_matrix_is_stored_transposed(per_channel):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5, 4)).astype(np.float32)
    low, high = symmetric(weight, 0) if per_channel else (-np.abs(weight).max(), np.abs(weight).max())
    nodes = [
        quantize_node("w", "w", levels=255),
        helper.make_node("Transpose", ["w_q"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    proto = lowered(model(nodes, {"w": weight, "w_low": low, "w_high": high}, [2, 3, 4], 3))
    assert [node.op_type for node in proto.graph.node] == ["DequantizeLinear", "MatMul"]
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(run(proto, x), x @ fake(weight, low, high, 255).T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_embedding_rows_are_picked_as_int8(axis):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 4)).astype(np.float32)
    low, high = (-np.abs(table).max(), np.abs(table).max()) if axis is None else symmetric(table, axis)
    nodes = [
        helper.make_node("Cast", ["x"], ["rows"], to=TensorProto.INT64),
        quantize_node("w", "w", levels=255),
        helper.make_node("Gather", ["w_q", "rows"], ["y"]),
    ]
    proto = lowered(model(nodes, {"w": table, "w_low": low, "w_high": high}, [2, 3], 3))
    assert "DequantizeLinear" not in {node.op_type for node in proto.graph.node}
    rows = rng.integers(0, 7, (2, 3))
    found = run(proto, rows.astype(np.float32))
    np.testing.assert_allclose(found, fake(table, low, high, 255)[rows], rtol=1e-5, atol=1e-6)


def test_gemm_gets_an_integer_bias():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    low, high = symmetric(weight, 0)
    nodes = [
        quantize_node("x", "a"),
        quantize_node("w", "w", levels=255),
        helper.make_node("Gemm", ["a_q", "w_q", "b"], ["y"], transB=1),
    ]
    constants = {"a_low": -2.0, "a_high": 2.0, "w": weight, "w_low": low, "w_high": high, "b": bias}
    proto = lowered(model(nodes, constants, [3, 4], 2))
    assert any(item.data_type == TensorProto.INT32 for item in proto.graph.initializer)
    x = rng.uniform(-2, 2, (3, 4)).astype(np.float32)
    expected = fake(x, -2.0, 2.0, 256) @ fake(weight, low, high, 255).T + bias
    np.testing.assert_allclose(run(proto, x), expected, atol=0.05)


@pytest.mark.parametrize("shape", [("Flatten", {}), ("Reshape", {"shape": [0, -1]})])
def test_numbers_are_scaled_after_their_shape_changes(shape):
    kind, constants = shape
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 12)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    low, high = symmetric(weight, 0)
    nodes = [
        quantize_node("x", "a"),
        quantize_node("w", "w", levels=255),
        helper.make_node(kind, ["a_q", *constants], ["flat"]),
        helper.make_node("Gemm", ["flat", "w_q", "b"], ["y"], transB=1),
    ]
    floats = {"a_low": -2.0, "a_high": 2.0, "w": weight, "w_low": low, "w_high": high, "b": bias}
    made = onnx.ModelProto.FromString(model(nodes, floats, [3, 4, 3], 2))
    made.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    proto = lowered(made.SerializeToString())
    assert [node.op_type for node in proto.graph.node if node.op_type in (kind, "Gemm", "QuantizeLinear")] == [
        "QuantizeLinear",
        kind,
        "Gemm",
    ]
    gemm = next(node for node in proto.graph.node if node.op_type == "Gemm")
    assert {node.op_type for node in proto.graph.node if node.output[0] in gemm.input} == {"DequantizeLinear"}
    assert any(item.data_type == TensorProto.INT32 for item in proto.graph.initializer)
    x = rng.uniform(-2, 2, (3, 4, 3)).astype(np.float32)
    expected = fake(x, -2.0, 2.0, 256).reshape(3, 12) @ fake(weight, low, high, 255).T + bias
    np.testing.assert_allclose(run(proto, x), expected, atol=0.15)


def test_equal_constants_behind_identity_are_seen():
    nodes = [
        helper.make_node("Identity", ["a_low"], ["same"]),
        helper.make_node("FakeQuantize", ["x", "same", "a_high", "same", "a_high"], ["y"], domain=DOMAIN, levels=256),
    ]
    proto = lowered(model(nodes, {"a_low": -1.0, "a_high": 1.0}, [2], 1))
    assert [node.op_type for node in proto.graph.node] == ["QuantizeLinear", "DequantizeLinear"]


def test_other_models_pass_unchanged():
    data = model([helper.make_node("Relu", ["x"], ["y"])], {}, [2], 1)
    assert lower_fake_quantize(data) == data


@pytest.mark.parametrize(
    ("constants", "text"),
    [({"a_high": 1.0}, "not constants"), ({"a_low": -np.ones((2, 2)), "a_high": np.ones((2, 2))}, "several")],
)
def test_bounds_that_no_kernel_knows_are_refused(constants, text):
    nodes = [helper.make_node("Neg", ["x"], ["a_low"])] if "a_low" not in constants else []
    nodes += [quantize_node("x", "a"), helper.make_node("Identity", ["a_q"], ["y"])]
    with pytest.raises(Unsupported, match=text):
        lower_fake_quantize(model(nodes, constants, [2, 2], 2))


def test_nodes_without_inputs_are_no_obstacle():
    nodes = [
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        quantize_node("x", "a"),
        helper.make_node("Mul", ["a_q", "two"], ["y"]),
    ]
    proto = lowered(model(nodes, {"a_low": 0.0, "a_high": 255.0}, [3], 1))
    assert run(proto, np.array([1.2, 300.0, -4.0], np.float32)).tolist() == [2.0, 510.0, 0.0]
