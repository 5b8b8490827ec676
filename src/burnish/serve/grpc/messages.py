"""Inference requests and answers as gRPC messages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from burnish.serve.grpc.schema import MESSAGES
from burnish.serve.protocol.datatypes import check_shape, check_text, datatype_of, numpy_type
from burnish.serve.protocol.messages import Array, InferAnswer, InferRequest, ProtocolError, Wanted
from burnish.serve.protocol.rest import MAX_PRIORITY, MAX_TENSORS
from burnish.serve.protocol.tensors import from_bytes, strings, to_bytes, whole_numbers

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}

_PARAMETERS: dict[type, str] = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}


def parse_request(message: Any) -> InferRequest:
    """A ModelInferRequest as a request. Raises `ProtocolError`."""
    if len(message.inputs) > MAX_TENSORS or len(message.outputs) > MAX_TENSORS:
        raise ProtocolError(400, f"more than {MAX_TENSORS} inputs or outputs")
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise ProtocolError(400, f"{len(raw)} raw contents for {len(message.inputs)} inputs")
    inputs: dict[str, Array] = {}
    datatypes: dict[str, str] = {}
    for number, tensor in enumerate(message.inputs):
        check_text("the name of an input", tensor.name)
        if tensor.name in inputs:
            raise ProtocolError(400, f"input {tensor.name!r} is given twice")
        shape = check_shape(tensor.name, list(tensor.shape))
        if raw:
            found = from_bytes(tensor.name, tensor.datatype, shape, memoryview(raw[number]))
        else:
            found = _typed(tensor, shape)
        inputs[tensor.name], datatypes[tensor.name] = found, tensor.datatype
    if not inputs:
        raise ProtocolError(400, "the request has no inputs")
    parameters = {
        key: getattr(value, value.WhichOneof("choice") or "bool_param") for key, value in message.parameters.items()
    }
    return InferRequest(
        inputs=inputs,
        datatypes=datatypes,
        id=check_text("the id", message.id),
        outputs=tuple(Wanted(output.name) for output in message.outputs),
        timeout_s=_whole(parameters, "timeout", 10**12) / 1e6,
        priority=_whole(parameters, "priority", MAX_PRIORITY),
        parameters=parameters,
    )


def render_answer(answer: InferAnswer) -> Any:
    """An answer as a ModelInferResponse, tensors raw."""
    response = MESSAGES["ModelInferResponse"](model_name=answer.model, model_version=answer.version, id=answer.id)
    for key, value in answer.parameters.items():
        setattr(response.parameters[key], _PARAMETERS[type(value)], value)
    for name, array in answer.outputs.items():
        response.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        response.raw_output_contents.append(bytes(to_bytes(array)))
    return response


def _typed(tensor: Any, shape: tuple[int, ...]) -> Array:
    dtype = numpy_type(tensor.datatype)
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise ProtocolError(400, f"input {tensor.name!r}: {tensor.datatype} travels raw only")
    values = getattr(tensor.contents, field)
    if tensor.datatype == "BYTES":
        return strings(tensor.name, values, shape)
    count = math.prod(shape)
    if len(values) != count:
        raise ProtocolError(400, f"input {tensor.name!r}: {len(values)} values where its shape takes {count}")
    if dtype.kind in "iu":
        return whole_numbers(tensor.name, tensor.datatype, values).reshape(shape)
    return np.fromiter(values, dtype, count).reshape(shape)


def _whole(parameters: dict[str, Any], key: str, most: int) -> int:
    value = parameters.get(key, 0)
    if type(value) is not int or not 0 <= value <= most:
        raise ProtocolError(400, f"{key} must be a whole number from 0 to {most}")
    return value
