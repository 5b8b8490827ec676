"""Whatever the bytes are: a request or an error of the client, in bounded memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.grpc.messages import parse_request as parse_message
from burnish.serve.grpc.schema import MAX_FIELDS, MESSAGES, decode
from burnish.serve.http.body import read_body
from burnish.serve.protocol.datatypes import DATATYPES, MAX_STRINGS
from burnish.serve.protocol.messages import InferRequest, ProtocolError
from burnish.serve.protocol.rest import MAX_CONTAINERS, MAX_JSON, parse_request
from burnish.serve.protocol.tensors import from_json

LIMIT = 2000


def outcome(make) -> InferRequest | int:
    try:
        return make()
    except ProtocolError as error:
        assert 400 <= error.status < 500 and 0 < len(error.what) < 1100
        return error.status


@st.composite
def messages(draw):
    message = MESSAGES["ModelInferRequest"](id=draw(st.text(max_size=5)))
    for number in range(draw(st.integers(0, 3))):
        shape = draw(st.lists(st.integers(-2, 3) | st.integers(-(2**63), 2**63 - 1), max_size=3))
        tensor = message.inputs.add(name=f"x{number}", datatype=draw(st.sampled_from((*DATATYPES, ""))), shape=shape)
        tensor.contents.int_contents.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)))
        tensor.contents.uint64_contents.extend(draw(st.lists(st.integers(0, 2**64 - 1), max_size=4)))
        tensor.contents.fp32_contents.extend(draw(st.lists(st.floats(width=32), max_size=4)))
        tensor.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=3), max_size=4)))
    message.raw_input_contents.extend(draw(st.lists(st.binary(max_size=9), max_size=3)))
    for key in draw(st.lists(st.sampled_from(("timeout", "priority", "x")), max_size=3)):
        message.parameters[key].int64_param = draw(st.integers(-(2**63), 2**63 - 1))
    return message.SerializeToString()


@given(messages(), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=3))
def test_grpc_messages_that_are_bent(body, changes):
    bent = bytearray(body)
    for place, value in changes if body else ():
        bent[place % len(bent)] = value
    for each in (body, bytes(bent)):
        found = outcome(lambda each=each: parse_message(decode("ModelInferRequest", each)))
        assert found == 400 or (isinstance(found, InferRequest) and found.inputs)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_grpc_message(body):
    found = outcome(lambda: parse_message(decode("ModelInferRequest", body)))
    assert found == 400 or isinstance(found, InferRequest)


def read(parts: list[bytes], encoding: str) -> bytes | bytearray:
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    left.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return left.pop(0)

    return asyncio.run(read_body(receive, {"content-encoding": encoding}, LIMIT))


def outcome_of_body(parts: list[bytes], encoding: str) -> bytes | int:
    try:
        return bytes(read(parts, encoding))
    except ProtocolError as error:
        return error.status


@given(st.binary(max_size=3000), st.sampled_from(["gzip", "deflate"]), st.integers(1, 700), st.integers(-3, 3))
def test_compressed_bodies(body, encoding, size, cut):
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](body)
    parts = [packed[place : place + size] for place in range(0, len(packed), size)]
    assert outcome_of_body(parts, encoding) == (body if max(len(body), len(packed)) <= LIMIT else 413)
    wrong = packed[:cut] if cut < 0 else packed + bytes(cut + 1)
    assert outcome_of_body([wrong], encoding) in (400, 413)
    assert outcome_of_body([packed], encoding + "x") in (415, 413)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_as_a_compressed_body(body, encoding):
    found = outcome_of_body([body], encoding)
    assert found == 400 or isinstance(found, bytes)


def peak(make) -> int:
    tracemalloc.start()
    try:
        make()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def document(data: object, datatype: str = "FP32", shape: object = (2,)) -> bytes:
    return json.dumps({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]}).encode()


@pytest.mark.parametrize("datatype", ["FP32", "INT8", "BYTES", "BOOL"])
def test_texts_beside_a_long_one_do_not_get_its_length(datatype):
    """A NumPy array of texts would take 4 bytes for each character of the longest, times their number: 8 GB here."""
    body = document(["a" * 100_000, *[""] * 20_000], datatype)
    assert peak(lambda: outcome(lambda: parse_request(body))) < 20 * len(body)


@pytest.mark.parametrize("length", ["id", "name", "datatype"])
def test_long_texts_are_refused_and_not_sent_back(length):
    found = json.loads(document([1, 2])) | ({"id": "x" * 500_000} if length == "id" else {})
    if length != "id":
        found["inputs"][0][length] = "\u0001" * 500_000
    with pytest.raises(ProtocolError, match="longer than 1024") as caught:
        parse_request(json.dumps(found).encode())
    assert caught.value.status == 400


def test_what_is_slow_to_read_has_bounds():
    lists = document([[]] * (MAX_CONTAINERS + 1))
    assert outcome(lambda: parse_request(lists)) == 400
    assert outcome(lambda: parse_request(b'{"inputs": [' + b" " * MAX_JSON + b"]}")) == 413
    assert outcome(lambda: parse_request(document([], "BYTES", (MAX_STRINGS + 1,)))) == 400
    assert outcome(lambda: decode("ModelInferRequest", b"\x2a\x00" * (MAX_FIELDS + 1))) == 400
    assert len(decode("ModelInferRequest", b"\x2a\x00" * MAX_FIELDS).inputs) == MAX_FIELDS


def test_numbers_at_the_edges_of_their_types():
    for datatype in ("INT8", "UINT8", "INT64", "UINT64", "INT32"):
        kind = np.iinfo(datatype.lower())
        edges = [int(kind.min), int(kind.max)]
        assert from_json("x", datatype, (2,), edges).tolist() == edges
        for beyond in (edges[0] - 1, edges[1] + 1):
            with pytest.raises(ProtocolError, match="outside of"):
                from_json("x", datatype, (1,), [beyond])
    for mixed in ([1, True], [1.0, "1"], [[1], 2], [[1], [2, 3]], [None, 1]):
        with pytest.raises(ProtocolError, match="regular list"):
            from_json("x", "FP32", (2,), mixed)
