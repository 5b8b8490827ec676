"""ONNX graphs with fake-quantize nodes, by hand, and what they mean."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from burnish.backends.onnx_file import read_model
from burnish.backends.onnx_lower import lower_fake_quantize

DOMAIN = "org.openvinotoolkit"


def fake(x, low, high, levels):
    """The definition, in NumPy."""
    steps = np.round((np.clip(x, low, high) - low) / (high - low) * (levels - 1))
    return steps / (levels - 1) * (high - low) + low


def quantize_node(source, prefix, levels=256):
    bounds = [f"{prefix}_low", f"{prefix}_high"]
    return helper.make_node("FakeQuantize", [source, *bounds, *bounds], [f"{prefix}_q"], domain=DOMAIN, levels=levels)


def model(nodes, constants, shape, out_dims):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * out_dims)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 19), helper.make_opsetid(DOMAIN, 1)], ir_version=10
    ).SerializeToString()


def lowered(data):
    return read_model(lower_fake_quantize(data))


def run(proto, x):
    return ReferenceEvaluator(proto).run(None, {"x": x})[0]


def symmetric(weight, axis):
    """Bounds per slice along `axis`, as NNCF makes them for weights with 255 levels."""
    high = np.abs(weight).max(tuple(i for i in range(weight.ndim) if i != axis), keepdims=True)
    return -high, high
