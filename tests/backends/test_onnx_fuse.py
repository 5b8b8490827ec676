import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from torch.nn.functional import conv2d, pad

from tests.backends.fake_graph import fake, lowered, model, quantize_node, run, symmetric

CHANNELS, SIZE = 6, 7
TOP = 3.0 * 127 / 128


def separable(high, *, activation, padded, seed=0):
    """A 1x1 convolution, an activation, rounding between 0 and `high` (of each channel), a depthwise convolution.

    The graph's bytes, and the same in torch.
    """
    rng = np.random.default_rng(seed)
    high = np.asarray(high, np.float32)
    bounds = (1, -1, 1, 1) if high.ndim else ()
    first = rng.normal(size=(CHANNELS, 3, 1, 1)).astype(np.float32)
    second = rng.normal(size=(CHANNELS, 1, 3, 3)).astype(np.float32)
    constants = {"a_low": np.zeros_like(high).reshape(bounds), "a_high": high.reshape(bounds)}
    for name, weight in (("w", first), ("v", second)):
        low, top = symmetric(weight, 0)
        constants |= {name: weight, f"{name}_low": low, f"{name}_high": top}
    constants |= {"b": rng.normal(size=CHANNELS), "c": rng.normal(size=CHANNELS), "six": 6.0, "zero": 0.0}
    clip = helper.make_node("Clip", ["one", "zero", "six"], ["cut"])
    nodes = [
        quantize_node("x", "i"),
        quantize_node("w", "w", levels=255),
        quantize_node("v", "v", levels=255),
        helper.make_node("Conv", ["i_q", "w_q", "b"], ["one"]),
        clip if activation == "relu6" else helper.make_node("Relu", ["one"], ["cut"]),
        quantize_node("cut", "a"),
    ]
    inputs = ["a_q", "v_q", "c"]
    if padded:
        nodes.append(helper.make_node("Pad", ["a_q", "amounts", "zero"], ["wide"]))
        inputs[0] = "wide"
    pads = [0, 0, 0, 0] if padded else [1, 1, 1, 1]
    nodes.append(helper.make_node("Conv", inputs, ["y"], group=CHANNELS, pads=pads))
    made = onnx.ModelProto.FromString(model(nodes, constants | {"i_low": -3.0, "i_high": TOP}, [2, 3, SIZE, SIZE], 4))
    amounts = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "amounts")
    made.graph.initializer.extend([amounts] if padded else [])

    def expected(x):
        hidden = conv2d(tensor(fake(x, -3.0, TOP, 256)), tensor(weight_of("w")), tensor(constants["b"]))
        hidden = hidden.clip(0, 6 if activation == "relu6" else None).numpy()
        hidden = fake(hidden, 0.0, constants["a_high"], 256)
        wide = pad(tensor(hidden), (1, 1, 1, 1))
        return conv2d(wide, tensor(weight_of("v")), tensor(constants["c"]), groups=CHANNELS).numpy()

    def weight_of(name):
        return fake(constants[name], constants[f"{name}_low"], constants[f"{name}_high"], 255)

    return made.SerializeToString(), expected


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def kinds(proto):
    return [node.op_type for node in proto.graph.node]


def scales(proto):
    """Shapes of the scales of all activations."""
    constants = {item.name: item for item in proto.graph.initializer}
    return [tuple(constants[n.input[1]].dims) for n in proto.graph.node if n.op_type == "QuantizeLinear"]


def close(proto, expected, seed):
    """Within what a value that lies between two steps may change, which few do."""
    x = np.random.default_rng(seed).uniform(-3, 3, (2, 3, SIZE, SIZE)).astype(np.float32)
    found, wanted = run(proto, x), expected(x)
    far = np.abs(found - wanted) > 1e-3 * np.abs(wanted).max()
    assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()
    assert far.mean() < 0.1


@settings(max_examples=30, deadline=None)
@given(
    high=st.lists(st.floats(0.05, 6.0), min_size=CHANNELS, max_size=CHANNELS),
    activation=st.sampled_from(["relu", "relu6"]),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_scales_of_channels_go_into_the_weights(high, activation, padded, seed):
    data, expected = separable(high, activation=activation, padded=padded, seed=seed)
    proto = lowered(data)
    assert set(scales(proto)) == {()}
    assert not {"Clip", "Relu"} & set(kinds(proto))
    close(proto, expected, seed)


@pytest.mark.parametrize("padded", [True, False])
def test_one_scale_needs_no_clip_either_and_padding_is_of_integers(padded):
    data, expected = separable(6.0, activation="relu6", padded=padded)
    proto = lowered(data)
    assert "Clip" not in kinds(proto)
    if padded:
        order = kinds(proto)
        assert order.index("Pad") < len(order) - 1 - order[::-1].index("DequantizeLinear")
    close(proto, expected, 0)


@pytest.mark.parametrize("high", [8.0, [6.0, 6.0, 8.0, 6.0, 6.0, 6.0]])
def test_a_clip_that_cuts_below_the_last_integer_stays(high):
    data, expected = separable(high, activation="relu6", padded=False)
    proto = lowered(data)
    assert "Clip" in kinds(proto)
    close(proto, expected, 0)


def test_a_dead_channel_that_was_rounded_to_both_sides_counts_from_zero():
    data, _ = separable([1e-4, 6.0, 6.0, 6.0, 6.0, 6.0], activation="relu6", padded=False)
    made = onnx.ModelProto.FromString(data)
    low = next(item for item in made.graph.initializer if item.name == "a_low")
    bounds = np.array([-1e-4, 0, 0, 0, 0, 0], np.float32).reshape(1, -1, 1, 1)
    low.CopyFrom(numpy_helper.from_array(bounds, "a_low"))
    proto = lowered(made.SerializeToString())
    assert set(scales(proto)) == {()}
    assert "Clip" not in kinds(proto)
