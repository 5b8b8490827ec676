"""Requests and answers as HTTP bodies: JSON, and the extension that puts tensors behind it in binary.

orjson is imported here and nowhere else. Whatever the bytes are, the outcome is a request or a
`ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from burnish.serve.protocol.datatypes import check_shape, check_text, datatype_of
from burnish.serve.protocol.messages import Array, InferAnswer, InferRequest, ProtocolError, Wanted
from burnish.serve.protocol.tensors import from_bytes, from_json, to_bytes, to_json

HEADER_LENGTH = "inference-header-content-length"
MAX_TENSORS = 256
MAX_PRIORITY = 255
MAX_JSON = 4 << 20
"""Bytes of JSON. Read on the event loop they would stop everybody else for up to 0.3 s, in a thread beside it for
0.07 s: its longest steps hold the interpreter. Binary tensors cost nothing."""
MAX_CONTAINERS = 1 << 17
"""Lists and objects of a request: three bytes of JSON make one of ninety, and a million of them take a second."""

_Json = Mapping[str, Any]


def parse_json(body: bytes | bytearray, end: int | None = None) -> Any:
    """JSON in the bytes before `end`, or a `ProtocolError` that says where it breaks off."""
    if (len(body) if end is None else end) > MAX_JSON:
        raise ProtocolError(413, f"more than {MAX_JSON} bytes of JSON; give large tensors in binary: binary_data_size")
    if body.count(b"[", 0, end) + body.count(b"{", 0, end) > MAX_CONTAINERS:
        raise ProtocolError(400, f"more than {MAX_CONTAINERS} lists and objects; give data flat, or as binary tensors")
    try:
        return orjson.loads(memoryview(body)[:end])
    except orjson.JSONDecodeError as error:
        raise ProtocolError(400, f"the body is not JSON: {error}") from None


def dump_json(value: object) -> bytes:
    """Compact JSON of plain values; numbers that are not finite become null."""
    return orjson.dumps(value)


def parse_request(body: bytes | bytearray, header_length: str | None = None) -> InferRequest:
    """An inference request. `header_length`: bytes of JSON before the binary part, as its header says."""
    view = memoryview(body)
    size = json_size(header_length, len(view))
    found = parse_json(body, size)
    if not isinstance(found, dict):
        raise ProtocolError(400, "the request must be a JSON object")
    parameters = _parameters(found, "the request")
    inputs, datatypes = _inputs(found, view[size:])
    return InferRequest(
        inputs=inputs,
        datatypes=datatypes,
        id=_text(found, "id", "the request", default=""),
        outputs=tuple(_wanted(item) for item in _objects(found, "outputs")),
        binary_output=_flag(parameters, "binary_data_output", "the request"),
        timeout_s=_whole(parameters, "timeout", "the request", most=10**12) / 1e6,
        priority=_whole(parameters, "priority", "the request", most=MAX_PRIORITY),
        parameters=parameters,
    )


def render_answer(answer: InferAnswer, request: InferRequest) -> tuple[dict[str, str], list[bytes | memoryview]]:
    """Headers and body parts of an answer; tensors are not copied."""
    asked = {item.name: item for item in request.outputs}
    outputs: list[dict[str, Any]] = []
    tail: list[bytes | memoryview] = []
    for name, array in answer.outputs.items():
        item: dict[str, Any] = {"name": name, "datatype": datatype_of(array.dtype), "shape": list(array.shape)}
        wanted = asked.get(name)
        binary = request.binary_output if wanted is None or wanted.binary is None else wanted.binary
        if binary:
            raw = to_bytes(array)
            item["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            item["data"] = to_json(array)
        outputs.append(item)
    document: dict[str, Any] = {"model_name": answer.model, "model_version": answer.version, "outputs": outputs}
    if answer.id:
        document["id"] = answer.id
    if answer.parameters:
        document["parameters"] = dict(answer.parameters)
    head = dump_json(document)
    if not tail:
        return {"content-type": "application/json"}, [head]
    return {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}, [head, *tail]


def json_size(header_length: str | None, total: int) -> int:
    """How many of a body's `total` bytes are JSON. Raises `ProtocolError`."""
    if header_length is None:
        return total
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 12):
        raise ProtocolError(400, "Inference-Header-Content-Length must be a whole number")
    size = int(header_length)
    if size > total:
        raise ProtocolError(400, f"Inference-Header-Content-Length is {size}, the body has {total} bytes")
    return size


def _inputs(found: _Json, binary: memoryview) -> tuple[dict[str, Array], dict[str, str]]:
    inputs: dict[str, Array] = {}
    datatypes: dict[str, str] = {}
    place = 0
    for item in _objects(found, "inputs"):
        name = _text(item, "name", "an input")
        if name in inputs:
            raise ProtocolError(400, f"input {name!r} is given twice")
        datatype = _text(item, "datatype", f"input {name!r}")
        shape = check_shape(name, item.get("shape"))
        parameters = _parameters(item, f"input {name!r}")
        if "binary_data_size" in parameters:
            size = _whole(parameters, "binary_data_size", f"input {name!r}", most=len(binary) - place)
            if "data" in item:
                raise ProtocolError(400, f"input {name!r} has both data and binary_data_size")
            inputs[name] = from_bytes(name, datatype, shape, binary[place : place + size])
            place += size
        else:
            inputs[name] = from_json(name, datatype, shape, item.get("data"))
        datatypes[name] = datatype
    if place != len(binary):
        raise ProtocolError(400, f"{len(binary) - place} bytes behind the last binary input")
    if not inputs:
        raise ProtocolError(400, "the request has no inputs")
    return inputs, datatypes


def _wanted(item: _Json) -> Wanted:
    name = _text(item, "name", "an output")
    parameters = _parameters(item, f"output {name!r}")
    binary = _flag(parameters, "binary_data", f"output {name!r}") if "binary_data" in parameters else None
    return Wanted(name, binary, _whole(parameters, "classification", f"output {name!r}", most=1_000_000))


def _objects(found: _Json, key: str) -> list[_Json]:
    items = found.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or len(items) > MAX_TENSORS:
        raise ProtocolError(400, f"{key} must be a list of at most {MAX_TENSORS} objects")
    return items


def _text(found: _Json, key: str, where: str, *, default: str | None = None) -> str:
    value = found.get(key, default)
    if not isinstance(value, str):
        raise ProtocolError(400, f"{where} needs {key!r}, a string")
    return check_text(f"{key} of {where}", value)


def _parameters(found: _Json, where: str) -> _Json:
    value = found.get("parameters")
    if value is None and "parameters" not in found:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, bool | int | float | str) for v in value.values()):
        raise ProtocolError(400, f"the parameters of {where} must be an object of plain values")
    return value


def _flag(parameters: _Json, key: str, where: str) -> bool:
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise ProtocolError(400, f"{key} of {where} must be true or false")
    return value


def _whole(parameters: _Json, key: str, where: str, *, most: int) -> int:
    value = parameters.get(key, 0)
    if type(value) is not int or not 0 <= value <= most:
        raise ProtocolError(400, f"{key} of {where} must be a whole number from 0 to {most}")
    return value
