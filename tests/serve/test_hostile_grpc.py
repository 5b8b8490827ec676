"""Clients that mean harm to the gRPC port: raw frames, and calls that a real client would not make."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import grpc
import pytest

from burnish.serve.grpc.schema import MAX_FIELDS, MESSAGES, SERVICE
from tests.serve.hostile import PATIENT_S, connect, is_well

LIMIT = 1 << 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_HEADERS, END_STREAM = 4, 1
DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def headers(**more: str) -> bytes:
    """A call's headers, each a literal that is not indexed."""
    found = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{SERVICE}/ModelInfer",
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
    } | more
    return b"".join(
        bytes([0, len(key)]) + key.encode() + bytes([len(value)]) + value.encode() for key, value in found.items()
    )


def inference() -> Any:
    message = MESSAGES["ModelInferRequest"](model_name="tiny", raw_input_contents=[bytes(4 * 432)])
    message.inputs.add(name="image", datatype="FP32", shape=[1, 3, 12, 12])
    return message


@pytest.fixture
def channel(guarded) -> Iterator[grpc.Channel]:
    with opened(guarded.grpc) as found:
        yield found


def opened(port: int) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)])


def call(channel: grpc.Channel, body: bytes, name: str = "ModelInfer", **settings: Any) -> Any:
    return channel.unary_unary(f"/{SERVICE}/{name}")(body, timeout=PATIENT_S, wait_for_ready=True, **settings)


def answers(channel: grpc.Channel) -> None:
    found = MESSAGES["ModelInferResponse"].FromString(call(channel, inference().SerializeToString()))
    assert len(found.raw_output_contents[0]) == 20


def until_closed(client: socket.socket) -> None:
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass


NO_HTTP2 = {
    "noise": bytes(range(256)) * 100,
    "HTTP/1.1": b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n",
    "half a preface, then noise": PREFACE[:10] + b"\xff" * 100,
    "noise behind the preface": PREFACE + b"\xff" * 4096,
    "a frame that is too large": PREFACE + frame(SETTINGS, 0, 0, b"") + frame(DATA, 0, 1, bytes((1 << 24) - 1)),
    "settings on a stream": PREFACE + frame(SETTINGS, 0, 7, b""),
    "settings of odd size": PREFACE + frame(SETTINGS, 0, 0, b"12345"),
    "headers that are no HPACK": PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, b"\xff" * 200),
    "continuation of nothing": PREFACE + frame(SETTINGS, 0, 0, b"") + frame(CONTINUATION, 0, 1, b"x"),
}


@pytest.mark.parametrize("name", NO_HTTP2)
def test_what_is_no_http2_is_cut_off(guarded, channel, name):
    with connect(guarded.grpc) as client:
        with suppress(OSError):
            client.sendall(NO_HTTP2[name])
        until_closed(client)
    answers(channel)


def many_fields() -> bytes:
    return b"\x2a\x00" * (MAX_FIELDS + 1)


@pytest.mark.parametrize(
    ("body", "settings", "codes"),
    [
        (bytes(LIMIT + 1), {}, "RESOURCE_EXHAUSTED"),
        (bytes(60 * LIMIT), {"compression": grpc.Compression.Gzip}, "RESOURCE_EXHAUSTED"),
        (bytes(60 * LIMIT), {"compression": grpc.Compression.Deflate}, "RESOURCE_EXHAUSTED"),
        (b"\xff" * 1000, {}, "INVALID_ARGUMENT"),
        (many_fields(), {}, "INVALID_ARGUMENT"),
        (b"\x0a\xff\xff\xff\xff\x0f", {}, "INVALID_ARGUMENT"),
        (b"\x0a\x02\xff\xfe", {}, "INVALID_ARGUMENT"),
        (b"\x0a\x04tiny" + b"\x2a\x0f\x0a\x05image\x12\x04FP32\x18\xff", {}, "INVALID_ARGUMENT"),
        (b"", {}, "NOT_FOUND INVALID_ARGUMENT"),
        (b"", {"metadata": (("x", "y" * 200_000),)}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_bad_call_is_refused_by_the_protocols_code(guarded, channel, body, settings, codes):
    before = guarded.peak_mb()
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, body, **settings)
    assert caught.value.code().name in codes.split()
    assert caught.value.details()
    answers(channel)
    assert guarded.peak_mb() - before < 30


def test_a_text_of_the_clients_is_not_sent_back_whole(channel):
    message = inference()
    message.inputs[0].name = "x" * 500_000
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, message.SerializeToString())
    assert caught.value.code().name == "INVALID_ARGUMENT" and len(caught.value.details()) < 1100


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a/b", "\0", "tiny\0", "💥", "x" * 100_000])
def test_a_name_is_no_path(channel, name):
    for kind, field in (
        ("ModelMetadata", "name"),
        ("ModelReady", "name"),
        ("RepositoryModelLoad", "model_name"),
        ("RepositoryModelUnload", "model_name"),
    ):
        message = MESSAGES[f"{kind}Request"](**{field: name})
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, message.SerializeToString(), kind)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, b"", "../ModelInfer")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_rapid_reset(guarded, channel):
    with connect(guarded.grpc) as client:
        try:
            client.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
            for first in range(1, 40_000, 200):
                client.sendall(
                    b"".join(
                        frame(HEADERS, END_HEADERS, stream, headers()) + frame(RESET, 0, stream, bytes(3) + b"\x08")
                        for stream in range(first, first + 200, 2)
                    )
                )
                if first % 4000 == 1:
                    answers(channel)
        except OSError:
            pass  # it was cut off
    answers(channel)
    is_well(guarded.http)


def test_many_calls_that_never_send_their_message(guarded, channel):
    with connect(guarded.grpc) as client:
        try:
            client.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
            for first in range(1, 8000, 200):
                opening = (frame(HEADERS, END_HEADERS, stream, headers()) for stream in range(first, first + 200, 2))
                client.sendall(b"".join(opening))
                answers(channel)
        except OSError:
            pass
        answers(channel)
    answers(channel)


def test_floods_of_small_frames(guarded, channel):
    for flood in (frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 0, 0, b""), frame(DATA, 0, 1, b"")):
        with connect(guarded.grpc) as client:
            client.settimeout(2)
            try:
                client.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, headers()))
                for _ in range(50):
                    client.sendall(flood * 1000)
            except OSError:
                pass  # cut off, or no longer read
            answers(channel)
    answers(channel)


def test_idle_connections_do_not_take_away_one_that_is_open(guarded, channel):
    answers(channel)
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connect(guarded.grpc))
        answers(channel)
    with opened(guarded.grpc) as another:
        answers(another)
    is_well(guarded.http)
