from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.serve.protocol.datatypes import datatype_of, numpy_type
from burnish.serve.protocol.messages import InferAnswer, InferRequest, ProtocolError
from burnish.serve.protocol.rest import HEADER_LENGTH, parse_request, render_answer
from burnish.serve.protocol.tensors import from_bytes, from_json, to_bytes, to_json

NUMERIC = ["UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BOOL"]


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(NUMERIC))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
    finite = {"allow_nan": False, "allow_infinity": False} if datatype.startswith("FP") else {}
    dtype = numpy_type(datatype)
    return datatype, draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, **finite)))


texts = st.lists(st.one_of(st.binary(max_size=20), st.text(max_size=10).map(str.encode)), max_size=12)


@given(tensors())
def test_numbers_survive_both_ways_of_travelling(found):
    datatype, array = found
    assert datatype_of(array.dtype) == datatype
    np.testing.assert_array_equal(from_bytes("x", datatype, array.shape, memoryview(bytes(to_bytes(array)))), array)
    flat = json.loads(json.dumps(to_json(array)))
    np.testing.assert_array_equal(from_json("x", datatype, array.shape, flat), array)
    if array.size:
        nested = json.loads(json.dumps(array.tolist()))
        np.testing.assert_array_equal(from_json("x", datatype, array.shape, nested), array)


@given(texts)
def test_bytes_survive_with_their_lengths(found):
    array = np.empty(len(found), dtype=object)
    array[:] = found
    raw = memoryview(bytes(to_bytes(array)))
    assert from_bytes("x", "BYTES", (len(found),), raw).tolist() == found
    if raw:
        with pytest.raises(ProtocolError):
            from_bytes("x", "BYTES", (len(found),), raw[:-1])


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP32", (2,), [1.0], "1 values where shape [2] takes 2"),
        ("FP32", (2, 2), [[1, 2], [3]], "regular list"),
        ("FP32", (1,), ["a"], "regular list"),
        ("FP32", (1,), [None], "regular list"),
        ("INT8", (1,), [300], "outside of INT8"),
        ("UINT8", (1,), [-1], "outside of UINT8"),
        ("INT64", (1,), [1.5], "regular list"),
        ("INT64", (1,), [2**80], "outside of INT64"),
        ("BOOL", (1,), [1], "regular list"),
        ("BYTES", (1,), [1], "regular list of BYTES"),
        ("FP32", (1,), {"a": 1}, "must be a list"),
        ("COMPLEX", (1,), [1], "unknown datatype"),
    ],
)
def test_data_that_does_not_fit_is_an_error_that_says_why(datatype, shape, data, says):
    with pytest.raises(ProtocolError, match=says.replace("[", r"\[").replace("]", r"\]")) as caught:
        from_json("x", datatype, shape, data)
    assert caught.value.status == 400


def body(**changes):
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    return json.dumps({"inputs": [tensor]} | changes).encode()


def test_a_request_in_json():
    request = parse_request(
        body(
            id="a",
            parameters={"timeout": 2500, "priority": 3},
            outputs=[{"name": "y", "parameters": {"binary_data": True}}],
        )
    )
    assert request.id == "a" and request.timeout_s == 0.0025 and request.priority == 3
    assert request.inputs["x"].tolist() == [1.0, 2.0]
    assert request.outputs[0].name == "y" and request.outputs[0].binary is True


def test_a_request_with_binary_tensors():
    x, y = np.arange(6, dtype="<f4").reshape(2, 3), np.array([1, 2], "<i8")
    head = json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}},
                {"name": "y", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    request = parse_request(head + x.tobytes() + y.tobytes(), str(len(head)))
    np.testing.assert_array_equal(request.inputs["x"], x)
    np.testing.assert_array_equal(request.inputs["y"], y)
    headers, parts = render_answer(InferAnswer("m", "1", {"z": x}), request)
    size = int(headers[HEADER_LENGTH])
    whole = b"".join(parts)
    assert json.loads(whole[:size])["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert whole[size:] == x.tobytes()


@pytest.mark.parametrize(
    ("found", "length", "says"),
    [
        (b"", None, "not JSON"),
        (b"[]", None, "JSON object"),
        (b"{}", None, "no inputs"),
        (b'{"inputs": 3}', None, "list of at most"),
        (body(id=3), None, "'id', a string"),
        (body(parameters=[1]), None, "object of plain values"),
        (body(parameters={"timeout": -1}), None, "whole number"),
        (body(parameters={"timeout": True}), None, "whole number"),
        (body(inputs=[{"name": "x"}]), None, "'datatype', a string"),
        (body(inputs=[{"name": "x", "datatype": "FP32", "shape": [-1], "data": []}]), None, "every size"),
        (body(inputs=[{"name": "x", "datatype": "FP32", "shape": [2**31, 2**31], "data": []}]), None, "elements"),
        (body() + b"1234", str(len(body())), "4 bytes behind"),
        (body(), "x", "whole number"),
        (body(), "99999", "the body has"),
        (b"[" * 100_000, None, "not JSON"),
    ],
)
def test_a_request_that_is_none_is_an_error_of_the_client(found, length, says):
    with pytest.raises(ProtocolError, match=says) as caught:
        parse_request(found, length)
    assert caught.value.status == 400


mutations = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6)


@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=6)))
def test_any_bytes_are_a_request_or_an_error(found, length):
    _parse_safely(found, length)


@given(mutations, st.integers(0, 400))
def test_a_request_with_bytes_changed_is_a_request_or_an_error(changes, cut):
    head = json.dumps(
        {
            "id": "q",
            "inputs": [
                {"name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}},
                {"name": "t", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 12}},
                {"name": "y", "shape": [2, 2], "datatype": "INT64", "data": [[1, 2], [3, 4]]},
            ],
        }
    ).encode()
    whole = bytearray(head + bytes(24) + b"\x02\0\0\0ab\x02\0\0\0cd")
    for place, value in changes:
        whole[place % len(whole)] = value
    _parse_safely(bytes(whole[: cut or None]), str(len(head)))


def _parse_safely(found: bytes, length: str | None) -> None:
    try:
        request = parse_request(found, length)
    except ProtocolError as error:
        assert 400 <= error.status < 500
    else:
        assert isinstance(request, InferRequest) and request.inputs
