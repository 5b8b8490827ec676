"""Clients that mean harm, against a real service: a cheap refusal in the protocol's form, everyone else is served."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from contextlib import ExitStack

import pytest

from tests.serve.hostile import INFER, connect, inference, is_well, request, talk, trickle

LIMIT = 1 << 20


def binary(size: object, tail: bytes, **changes: object) -> bytes:
    tensor = {
        "name": "image",
        "shape": [1, 3, 12, 12],
        "datatype": "FP32",
        "parameters": {"binary_data_size": size},
    } | changes
    head = json.dumps({"inputs": [tensor]}).encode()
    return request(INFER, head + tail, inference_header_content_length=str(len(head)))


HEAD = b"POST /v2/models/tiny/infer HTTP/1.1\r\nhost: x\r\n"
REFUSED = {
    "request line": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
    "request line without end": (b"GET /" + b"a" * 1_000_000, 431),
    "header": (request("/v2", method="GET", x="y" * 100_000), 431),
    "header without end": (HEAD + b"x: " + b"y" * 1_000_000, 431),
    "header name without end": (HEAD + b"y" * 1_000_000, 431),
    "many headers": (request("/v2", method="GET", **{f"x{n}": "y" for n in range(10_000)}), 431),
    "sent ahead": (request("/v2", method="GET", connection="") * 5_000, 429),
    "body": (request(INFER, bytes(LIMIT + 1)), 413),
    "body not sent": (request(INFER, content_length=str(10**15)), 413),
    "body asked for first": (request(INFER, content_length=str(10**15), expect="100-continue"), 413),
    "length beyond 64 bits": (request(INFER, content_length=str(10**30)), 400),
    "negative length": (request(INFER, content_length="-1"), 400),
    "chunked": (
        request(INFER, content_length="", transfer_encoding="chunked") + b"10000\r\n%b\r\n" % bytes(65536) * 40,
        413,
    ),
    "no chunk": (request(INFER, content_length="", transfer_encoding="chunked") + b"zz\r\n", 400),
    "huge chunk": (request(INFER, content_length="", transfer_encoding="chunked") + b"f" * 40 + b"\r\n", 400),
    "length and chunks": (HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET", 400),
    "chunks and length": (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\nGET", 400),
    "two lengths": (HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    "unknown transfer": (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "space before colon": (HEAD + b"content-length : 3\r\n\r\nabc", 400),
    "bare line feed": (b"GET /v2 HTTP/1.1\r\nhost: x\nx: y\r\n\r\n", 400),
    "NUL in a header": (b"GET /v2 HTTP/1.1\r\nhost: x\0y\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "noise": (bytes(range(256)) * 40, 400),
    "no path": (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "gzip bomb": (request(INFER, gzip.compress(bytes(100 * LIMIT)), content_encoding="gzip"), 413),
    "deflate bomb": (request(INFER, zlib.compress(bytes(100 * LIMIT)), content_encoding="deflate"), 413),
    "gzip in gzip": (
        request(INFER, gzip.compress(gzip.compress(bytes(100 * LIMIT))), content_encoding="gzip"),
        400,
    ),
    "gzip twice": (request(INFER, gzip.compress(b"{}"), content_encoding="gzip, gzip"), 415),
    "half a gzip": (request(INFER, gzip.compress(inference())[:-9], content_encoding="gzip"), 400),
    "more behind gzip": (request(INFER, gzip.compress(inference()) + b"more", content_encoding="gzip"), 400),
    "binary size too large": (binary(1729, bytes(1728)), 400),
    "binary size too small": (binary(1727, bytes(1728)), 400),
    "binary size negative": (binary(-1, bytes(1728)), 400),
    "binary size huge": (binary(1 << 62, bytes(1728)), 400),
    "binary size text": (binary("1728", bytes(1728)), 400),
    "negative shape": (binary(1728, bytes(1728), shape=[-1, -3, 12, 12]), 400),
    "huge shape": (binary(1728, bytes(1728), shape=[1 << 31, 1 << 31]), 400),
    "shape beyond 64 bits": (binary(1728, bytes(1728), shape=[1 << 63, 2]), 400),
    "many dimensions": (binary(1728, bytes(1728), shape=[1] * 5000), 400),
    "texts beyond their end": (
        binary(8, struct.pack("<II", 1 << 31, 0), datatype="BYTES", shape=[1]),
        400,
    ),
    "header length negative": (request(INFER, b"{}", inference_header_content_length="-2"), 400),
    "header length huge": (request(INFER, b"{}", inference_header_content_length="9" * 30), 400),
    "nested": (request(INFER, b"[" * 500_000), 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_the_protocols_form(guarded, name):
    sent, status = REFUSED[name]
    found, body = talk(guarded.http, sent)
    assert found == status, body
    assert isinstance(body["error"], str) and len(body["error"]) < 1100
    is_well(guarded.http)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%252e%252e",
        "..%5c..",
        "%00",
        "tiny%00",
        "tiny%0d%0aset-cookie:x",
        "a" * 20_000,
        "%F0%9F%92%A5",
        "%ff%fe",
        "%u0041",
        "",
        "//",
        "tiny/versions/..",
        "tiny/versions/%2e%2e%2f1",
        "tiny/versions/-1",
        "tiny/versions/" + "9" * 5000,
    ],
)
def test_a_name_is_no_path(guarded, name):
    for sent in (
        request(f"/v2/models/{name}", method="GET"),
        request(f"/v2/models/{name}/infer", inference()),
        request(f"/v2/repository/models/{name}/load"),
        request(f"/v2/repository/models/{name}/unload"),
    ):
        status, body = talk(guarded.http, sent)
        assert status == 404 and len(body["error"]) < 1100
    is_well(guarded.http)


@pytest.mark.slow
def test_slow_clients_are_told_that_their_time_is_up(guarded):
    with_length = request(INFER, content_length="100000")
    chunked = request(INFER, content_length="", transfer_encoding="chunked")
    for head, piece in ((HEAD, b"x"), (HEAD, b"x: y\r\n"), (with_length, b" "), (chunked, b"1\r\n \r\n")):
        assert trickle(guarded.http, head, piece)[0] == 408
        is_well(guarded.http)


def test_connections_without_a_request_make_room_for_others(guarded):
    """Ten times as many as there may be; files of this process allow that many nearly everywhere."""
    with ExitStack() as opened:
        for number in range(2000):
            client = opened.enter_context(connect(guarded.http))
            if number % 2:
                client.sendall(HEAD)
            if not number % 400:
                is_well(guarded.http)
        is_well(guarded.http)


def test_clients_that_vanish_leave_nothing_behind(guarded):
    whole = request(INFER, inference(4), connection="keep-alive")
    for cut in range(0, len(whole), 97):
        with connect(guarded.http) as client:
            client.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: reset at the end
            client.sendall(whole[:cut])
    with connect(guarded.http) as client:
        client.sendall(whole)
        client.shutdown(1)
        client.recv(1)
    is_well(guarded.http)


def test_a_refused_body_is_read_on_only_so_far(guarded):
    """The answer comes at once; whoever sends without end is cut off."""
    with connect(guarded.http) as client:
        client.sendall(request(INFER, content_length=str(10**12), connection="keep-alive"))
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                client.sendall(bytes(65536))
    is_well(guarded.http)


def test_another_protocol_is_not_begun(guarded):
    sent = request("/v2", method="GET", connection="upgrade", upgrade="websocket") + bytes(100)
    assert talk(guarded.http, sent)[0] == 200
    assert talk(guarded.http, request("/v2", method="GET", connection="upgrade", upgrade="h2c"))[0] == 200
    is_well(guarded.http)


def test_memory_stays_bounded(guarded):
    """The bombs above are 100 MiB each, the limit is 1 MiB."""
    before = guarded.peak_mb()
    for name in ("gzip bomb", "deflate bomb", "chunked", "sent ahead", "nested", "many headers"):
        for _ in range(5):
            talk(guarded.http, REFUSED[name][0])
    assert guarded.peak_mb() - before < 50
