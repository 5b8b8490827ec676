"""The protocol's gRPC messages, from a table: no generated code, no compiler at build time.

The numbers and types are those of Open Inference Protocol v2 (package `inference`) with Triton's
statistics and repository calls; `labels`, number 100, is an addition that other clients pass over. Messages live in a
pool of their own, so that a client library with the same names can be loaded into the same process.
protobuf is imported here and nowhere else.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from burnish.serve.protocol.messages import ProtocolError

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_TABLE = """
ServerLiveRequest
ServerLiveResponse: 1 live bool
ServerReadyRequest
ServerReadyResponse: 1 ready bool
ModelReadyRequest: 1 name string; 2 version string
ModelReadyResponse: 1 ready bool
ServerMetadataRequest
ServerMetadataResponse: 1 name string; 2 version string; 3 extensions *string
ModelMetadataRequest: 1 name string; 2 version string
TensorMetadata: 1 name string; 2 datatype string; 3 shape *int64
ModelMetadataResponse:
    1 name string; 2 versions *string; 3 platform string; 4 inputs *TensorMetadata;
    5 outputs *TensorMetadata; 100 labels %string
InferParameter:
    1 bool_param bool ?; 2 int64_param int64 ?; 3 string_param string ?; 4 double_param double ?;
    5 uint64_param uint64 ?
InferTensorContents:
    1 bool_contents *bool; 2 int_contents *int32; 3 int64_contents *int64; 4 uint_contents *uint32;
    5 uint64_contents *uint64; 6 fp32_contents *float; 7 fp64_contents *double; 8 bytes_contents *bytes
InferInputTensor:
    1 name string; 2 datatype string; 3 shape *int64; 4 parameters %InferParameter;
    5 contents InferTensorContents
InferRequestedOutputTensor: 1 name string; 2 parameters %InferParameter
ModelInferRequest:
    1 model_name string; 2 model_version string; 3 id string; 4 parameters %InferParameter;
    5 inputs *InferInputTensor; 6 outputs *InferRequestedOutputTensor; 7 raw_input_contents *bytes
InferOutputTensor:
    1 name string; 2 datatype string; 3 shape *int64; 4 parameters %InferParameter;
    5 contents InferTensorContents
ModelInferResponse:
    1 model_name string; 2 model_version string; 3 id string; 4 parameters %InferParameter;
    5 outputs *InferOutputTensor; 6 raw_output_contents *bytes
ModelStreamInferResponse: 1 error_message string; 2 infer_response ModelInferResponse
StatisticDuration: 1 count uint64; 2 ns uint64
InferStatistics:
    1 success StatisticDuration; 2 fail StatisticDuration; 3 queue StatisticDuration;
    4 compute_input StatisticDuration; 5 compute_infer StatisticDuration;
    6 compute_output StatisticDuration
InferBatchStatistics:
    1 batch_size uint64; 2 compute_input StatisticDuration; 3 compute_infer StatisticDuration;
    4 compute_output StatisticDuration
ModelStatisticsRequest: 1 name string; 2 version string
ModelStatistics:
    1 name string; 2 version string; 3 last_inference uint64; 4 inference_count uint64;
    5 execution_count uint64; 6 inference_stats InferStatistics; 7 batch_stats *InferBatchStatistics
ModelStatisticsResponse: 1 model_stats *ModelStatistics
RepositoryIndexRequest: 1 repository_name string; 2 ready bool
ModelIndex: 1 name string; 2 version string; 3 state string; 4 reason string; 100 labels *string
RepositoryIndexResponse: 1 models *ModelIndex
ModelRepositoryParameter:
    1 bool_param bool ?; 2 int64_param int64 ?; 3 string_param string ?; 4 bytes_param bytes ?
RepositoryModelLoadRequest:
    1 repository_name string; 2 model_name string; 3 parameters %ModelRepositoryParameter
RepositoryModelLoadResponse
RepositoryModelUnloadRequest:
    1 repository_name string; 2 model_name string; 3 parameters %ModelRepositoryParameter
RepositoryModelUnloadResponse
"""
"""`*` repeated, `%` a map from string, `?` one of the alternatives."""

_SCALARS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bool", "string", "bytes", "int32", "int64", "uint32", "uint64", "float", "double")
}


def _field(message: Any, text: str) -> None:
    number, name, kind, *choice = text.split()
    field = message.field.add(name=name, number=int(number))
    repeated, mapped, kind = kind.startswith("*"), kind.startswith("%"), kind.lstrip("*%")
    label = field.LABEL_REPEATED if repeated or mapped else field.LABEL_OPTIONAL
    field.label = label
    if mapped:
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for inner in ("1 key string", f"2 value {kind}"):
            _field(entry, inner)
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{entry.name}"
    elif kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    if choice:
        if not message.oneof_decl:
            message.oneof_decl.add(name="choice")
        field.oneof_index = 0


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="burnish/open_inference.proto", package=PACKAGE, syntax="proto3")
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, fields = line.partition(":")
        message = file.message_type.add(name=name)
        for text in filter(str.strip, fields.split(";")):
            _field(message, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = [pool.FindMessageTypeByName(f"{PACKAGE}.{item.name}") for item in file.message_type]
    return {item.name: message_factory.GetMessageClass(item) for item in found}


MESSAGES = _messages()
"""Message classes by name. Nested ones of the original are at the top here: names do not travel."""


MAX_FIELDS = 2048
"""Fields of a message, inner ones not counted. Two bytes can ask for an inner message of a hundred."""


def decode(name: str, body: bytes) -> Any:
    """A message from its bytes. Raises `ProtocolError`."""
    if len(body) > MAX_FIELDS and _fields(body) > MAX_FIELDS:
        raise ProtocolError(400, f"the message has more than {MAX_FIELDS} fields")
    try:
        return MESSAGES[name].FromString(body)
    except DecodeError as error:
        raise ProtocolError(400, f"the message is no {name}: {error}") from None


def _fields(body: bytes) -> int:
    """How many fields there are, up to the first beyond `MAX_FIELDS` or the first that is malformed."""
    place = count = 0
    while place < len(body) and count <= MAX_FIELDS:
        tag, place = _varint(body, place)
        match tag & 7:
            case 0:
                _, place = _varint(body, place)
            case 1:
                place += 8
            case 2:
                size, place = _varint(body, place)
                place += size
            case 5:
                place += 4
            case _:
                return MAX_FIELDS + 1
        count += 1
    return count


def _varint(body: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it; at the body's end it just ends."""
    value = shift = 0
    while place < len(body) and shift < 70:
        byte = body[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            break
    return value, place
