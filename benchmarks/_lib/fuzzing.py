"""Inputs for the decoders: valid requests, made from a seed, then bent or broken. Pure."""

from __future__ import annotations

import copy
import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from burnish.serve.grpc.schema import MESSAGES
from burnish.serve.protocol.datatypes import DATATYPES, numpy_type

KINDS = ("json", "binary", "compressed", "grpc", "grpc raw")
_WORDS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**63, 2**64, 2**80, -(2**63), 1e308, 1.5, "", "x", "\x00", "é" * 9,
    "a" * 5000, [], {}, [[]], [{}], {"a": [1]}, [1, [2]], [True], ["a", 1], [None], "FP32", "BYTES", [0],
    [2**31, 2**31],
)  # fmt: skip
_PIECES = (b"[", b"{", b"]", b"}", b'"', b",", b":", b"\\u0000", b"\\ud800", b"\xff", b"\0", b"-", b"1e999", b"9" * 400)
_KEYS = ("data", "shape", "parameters", "name", "binary_data_size", "x")
_CONTENTS = ("bool", "int", "int64", "uint", "uint64", "fp32", "fp64", "bytes")


@dataclass(frozen=True)
class Input:
    """What one decoder is given. `header`: the header that the kind knows, length of JSON or encoding."""

    kind: str
    body: bytes
    header: str | None = None

    def to_json(self) -> str:
        """For a file that can be replayed."""
        return json.dumps({"kind": self.kind, "body": self.body.hex(), "header": self.header})

    @classmethod
    def from_json(cls, text: str) -> Input:
        """The inverse of `to_json`."""
        found = json.loads(text)
        return cls(found["kind"], bytes.fromhex(found["body"]), found["header"])


def make(number: int, seed: int, limit: int) -> Input:
    """Input `number` of a seed: the same for ever. Every 2000th is about as large as `limit` allows."""
    rng = random.Random(f"{seed} {number}")
    kind = KINDS[number % len(KINDS)]
    if number % 2000 < len(KINDS):
        return _large(kind, rng, limit)
    return _MAKERS[kind](rng)


def _json(rng: random.Random) -> Input:
    document = _document(rng, binary=False)[0]
    return Input("json", _broken(rng, json.dumps(_bent(rng, document)).encode()))


def _binary(rng: random.Random) -> Input:
    document, tail = _document(rng, binary=True)
    head = json.dumps(_bent(rng, document)).encode()
    length = str(len(head))
    if rng.random() < 0.1:
        length = rng.choice(("", "-1", "0", "1e3", "9" * 40, " 1", "٣", str(len(head) + rng.randint(-9, 9))))
    return Input("binary", _broken(rng, head + tail), length)


def _compressed(rng: random.Random) -> Input:
    body = _json(rng).body
    encoding, pack = rng.choice((("gzip", gzip.compress), ("deflate", zlib.compress)))
    packed = pack(body)
    if rng.random() < 0.1:
        packed = pack(packed)
    if rng.random() < 0.05:
        encoding = rng.choice(("br", "gzip, gzip", "", "GZIP", "deflate" if encoding == "gzip" else "gzip"))
    return Input("compressed", _broken(rng, packed), encoding)


def _grpc(rng: random.Random) -> Input:
    return Input("grpc", _broken(rng, _message(rng, raw=False)))


def _grpc_raw(rng: random.Random) -> Input:
    return Input("grpc raw", _broken(rng, _message(rng, raw=True)))


_MAKERS: dict[str, Callable[[random.Random], Input]] = {
    "json": _json,
    "binary": _binary,
    "compressed": _compressed,
    "grpc": _grpc,
    "grpc raw": _grpc_raw,
}


def _document(rng: random.Random, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    inputs, tail = [], b""
    for number in range(rng.choice((1, 1, 1, 2, 3))):
        datatype, shape = rng.choice(DATATYPES), [rng.randint(0, 4) for _ in range(rng.randint(0, 3))]
        item: dict[str, Any] = {"name": f"x{number}", "datatype": datatype, "shape": shape}
        count = _product(shape)
        if binary and rng.random() < 0.8:
            raw = _raw(rng, datatype, count)
            item["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            item["data"] = [_value(rng, datatype) for _ in range(count)]
        inputs.append(item)
    document: dict[str, Any] = {"inputs": inputs}
    if rng.random() < 0.3:
        document["id"] = "q"
        document["parameters"] = {"timeout": 1000, "priority": 2, "binary_data_output": True}
        document["outputs"] = [{"name": "y", "parameters": {"binary_data": True, "classification": 3}}]
    return document, tail


def _product(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _value(rng: random.Random, datatype: str) -> Any:
    if datatype == "BYTES":
        return rng.choice(("", "a", "text é"))
    if datatype == "BOOL":
        return rng.random() < 0.5
    return rng.choice((0, 1, 255, 0.5)) if datatype.startswith("FP") else rng.choice((0, 1, 127))


def _raw(rng: random.Random, datatype: str, count: int) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", size) + rng.randbytes(size) for size in (rng.randint(0, 5),) * count)
    return rng.randbytes(count * numpy_type(datatype).itemsize)


def _bent(rng: random.Random, document: Any) -> Any:
    """The same structure, somewhere with a value that does not belong there."""
    while rng.random() < 0.4:
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and rng.random() < 0.7:
                place = place[key]
                continue
            what = rng.random()
            if what < 0.6:
                place[key] = copy.deepcopy(rng.choice(_WORDS))
            elif what < 0.8:
                del place[key]
            elif isinstance(place, list):
                place.extend([place[key]] * rng.choice((1, 2, 300)))
            else:
                place[rng.choice(_KEYS)] = copy.deepcopy(rng.choice(_WORDS))
            break
    return document


def _broken(rng: random.Random, body: bytes) -> bytes:
    """The same bytes, some of them changed, cut, doubled or put in; half of the time none."""
    found = bytearray(body)
    while rng.random() < 0.5:
        place = rng.randint(0, len(found))
        match rng.randint(0, 4):
            case 0:
                found[place:place] = rng.choice(_PIECES)
            case 1:
                del found[place : place + rng.choice((1, 1, 2, 50))]
            case 2:
                found[place:place] = found[place : place + rng.randint(1, 40)]
            case 3:
                found[place : place + 1] = rng.randbytes(1)
            case 4:
                found[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1)))
    return bytes(found)


def _message(rng: random.Random, *, raw: bool) -> bytes:
    message = MESSAGES["ModelInferRequest"](model_name="m", id="q")
    for number in range(rng.choice((1, 1, 1, 2, 3))):
        datatype, shape = rng.choice((*DATATYPES, "FP31")), [rng.randint(0, 4) for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.1:
            shape.append(rng.choice((-1, 2**31, 2**62, -(2**63))))
        tensor = message.inputs.add(name=f"x{number}", datatype=datatype, shape=shape)
        count = max(0, min(_product(shape), 64)) + (rng.choice((-1, 1)) if rng.random() < 0.1 else 0)
        if raw and datatype in DATATYPES:
            message.raw_input_contents.append(_raw(rng, datatype, max(count, 0)))
        elif not raw:
            kind = rng.choice(_CONTENTS)
            values = getattr(tensor.contents, f"{kind}_contents")
            values.extend([b"ab"] * count if kind == "bytes" else [rng.choice((0, 1))] * count)
    if rng.random() < 0.3:
        message.parameters["timeout"].int64_param = rng.choice((0, -1, 1000, 2**62))
        message.parameters["priority"].string_param = "high"
        message.outputs.add(name="y")
    return bytes(message.SerializeToString())


def _large(kind: str, rng: random.Random, limit: int) -> Input:
    """What costs the most memory for its size, as far as known."""
    if kind.startswith("grpc"):
        pieces = (b"\x2a\x00", b"\x3a\x00", b"\x2a\x02\x22\x00", b"\x22\x00", b"\x2a\x04\x2a\x02\x42\x00")
        whole = (pieces[rng.randrange(len(pieces))] * limit)[:limit]
        if rng.random() < 0.5:
            inner = rng.choice((b"\x22\x00", b"\x18\x01"))
            whole = _field(0x2A, inner * (limit // 2))
            if rng.random() < 0.5:
                values = rng.choice(((0x1A, b"\x01"), (0x0A, b"\x01"), (0x42, b""), (0x3A, bytes(8))))
                packed = _field(values[0], values[1] * (limit // max(len(values[1]), 1)))
                text = b"\x0a\x01x" + _field(0x12, rng.choice((b"INT64", b"BOOL", b"BYTES", b"FP64")))
                whole = _field(0x2A, text + _field(0x2A, packed if values[1] else b"\x42\x00" * (limit // 2)))
        return Input(kind, whole)
    piece = rng.choice((b"[],", b"{},", b'"",', b'"ab",', b"1,", b"1e1,", b"[1],", b'{"":1},', b"null,"))
    datatype = rng.choice((b"FP32", b"INT64", b"UINT64", b"BYTES", b"BOOL"))
    head = b'{"inputs":[{"name":"x","datatype":"' + datatype + b'","shape":[2],"data":['
    if rng.random() < 0.2:
        piece = b'"' + b"a" * (limit // 2) + b'",' + b'"",' * (limit // 7)
    body = head + (piece * (limit // len(piece) + 1))[: limit - 200].rsplit(b",", 1)[0] + b"]}]}"
    if kind == "compressed":
        bomb = _bomb(50 * limit)
        return Input(kind, rng.choice((gzip.compress(body, compresslevel=1), bomb, gzip.compress(bomb))), "gzip")
    if kind == "binary":
        count = rng.choice((limit // 4 - 100, 60_000))
        text = b'{"inputs":[{"name":"x","datatype":"BYTES","shape":[%d],"parameters":{"binary_data_size":%d}}]}'
        head = text % (count, 4 * count)
        return Input(kind, head + bytes(4 * count), str(len(head)))
    return Input(kind, body)


@cache
def _bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


def _field(tag: int, body: bytes) -> bytes:
    size, length = bytearray(), len(body)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([tag, *size, length]) + body
