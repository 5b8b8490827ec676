"""One bound in bytes over both front ends."""

from __future__ import annotations

import pytest
import tritonclient.grpc.aio as triton
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from burnish.serve.grpc.server import start_server
from burnish.serve.http.app import App
from burnish.serve.keys import Keys
from burnish.serve.metrics.metrics import Metrics
from burnish.serve.protocol.messages import ProtocolError
from burnish.serve.room import Room
from tests.serve.rollout.test_rollouts import repository, serving

__all__ = ["repository"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=40))
def test_never_more_than_the_room_and_nothing_stays_taken(steps):
    room = Room(320, small=20)
    holds = [room.hold("http") for _ in range(4)]
    grows, sizes = [hold.__enter__() for hold in holds], [0] * 4
    refused = 0
    for who, size in steps:
        try:
            grows[who](size)
            sizes[who] = max(sizes[who], size)
        except ProtocolError as error:
            assert error.status == 429 and error.retry_after > 0
            refused += 1
        assert room.held == sum(sizes) <= 320
    assert room.refused["http"] == refused
    for hold in holds:
        hold.__exit__(None, None, None)
    assert room.held == 0


def test_large_requests_leave_some_room_to_small_ones():
    room = Room(320, small=20)
    with room.hold("http") as large, room.hold("grpc") as small:
        large(300)
        with pytest.raises(ProtocolError):
            large(301)
        small(20)
        with pytest.raises(ProtocolError):
            small(21)
    assert room.refused == {"http": 1, "grpc": 1} and room.held == 0


def test_a_full_room_is_told_in_both_protocols_and_counted(repository, images):
    metrics, room = Metrics(), Room(1000)
    metrics.show_room(room)

    async def post(app, body):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v2/models/tiny/infer", "headers": []}
        await app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]).get(b"retry-after")

    async def body(service, _rollouts):
        app = App(service, max_body=1 << 20, room=room)
        server, port = await start_server(service, "127.0.0.1:0", max_body=1 << 20, room=room, keys=Keys())
        try:
            async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
                sent = triton.InferInput("image", [1, 3, 12, 12], "FP32")  # 1,728 bytes
                sent.set_data_from_numpy(images[:1])
                with pytest.raises(InferenceServerException) as caught:
                    await client.infer("tiny", [sent])
        finally:
            await server.stop(0)
        return await post(app, b" " * 2000), caught.value.status()

    assert serving(repository, body) == ((429, b"1"), "StatusCode.RESOURCE_EXHAUSTED")
    page = metrics.page()[1].decode()
    for front in ("http", "grpc"):
        assert f'burnish_unread_requests_total{{front_end="{front}",reason="no_room"}} 1.0' in page
    assert "burnish_request_bytes_held 0.0" in page and "burnish_request_bytes_limit 1000.0" in page
    assert room.held == 0
