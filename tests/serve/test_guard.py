"""Connections under a made-up clock, without sockets."""

from __future__ import annotations

import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from burnish.serve.http.connection import Guarded
from burnish.serve.http.door import Door
from burnish.serve.http.patience import Patience, Progress, Stage

PATIENCE = Patience(idle_s=60, head_s=10, grace_s=20, bytes_per_s=1000)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"


class Clock:
    """A loop that only tells the time, which the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def call_later(self, delay, call):
        return _Timer()

    def create_task(self, coroutine):
        coroutine.close()
        return _Task()


class _Timer:
    def cancel(self) -> None:
        pass


class _Task:
    def add_done_callback(self, call) -> None:
        pass


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.closed = self.aborted = False

    def get_extra_info(self, name):
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def _nobody(scope, receive, send) -> None:
    pass


def opened(door: Door, clock: Clock) -> tuple[Guarded, Wire]:
    config = uvicorn.Config(_nobody, http=Guarded, ws="none", interface="asgi3", lifespan="off", log_config=None)
    made, wire = Guarded(door, config=config, server_state=ServerState(), app_state={}, _loop=clock), Wire()
    made.connection_made(wire)
    return made, wire


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door() -> Door:
    return Door(PATIENCE, most=3, max_body=10_000)


def status(wire: Wire) -> int:
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]
    return int(head.split()[1])


@pytest.mark.parametrize(
    ("sent", "allowed", "told"),
    [(b"", 60, None), (b"GET / HT", 10, 408), (POST, 20, 408), (POST + bytes(5000), 20, 408)],
)
def test_each_stage_has_its_own_time(door, clock, sent, allowed, told):
    made, wire = opened(door, clock)
    if sent:
        made.data_received(sent)
    clock.now = allowed
    door.sweep(clock.now)
    assert not wire.is_closing()
    clock.now = allowed + 0.1
    door.sweep(clock.now)
    assert wire.closed
    assert (status(wire) if told else not wire.written) == (told or True)


def test_a_body_that_comes_at_a_fair_rate_is_waited_for(door, clock):
    made, wire = opened(door, clock)
    made.data_received(POST)
    for _ in range(100):
        clock.now += 5
        made.data_received(bytes(5000))
        door.sweep(clock.now)
    assert not wire.is_closing()


def test_the_time_for_headers_does_not_begin_anew_with_each(door, clock):
    made, wire = opened(door, clock)
    made.data_received(b"GET / HTTP/1.1\r\n")
    for number in range(11):
        made.data_received(b"x-%d: y\r\n" % number)
        door.sweep(clock.now)
        clock.now += 1
    door.sweep(clock.now)
    assert status(wire) == 408


def test_the_services_own_time_is_nobodys_fault(door, clock):
    made, wire = opened(door, clock)
    made.data_received(GET)
    clock.now = 10_000
    door.sweep(clock.now)
    assert not wire.is_closing()


def test_who_does_not_read_is_cut_off(door, clock):
    made, wire = opened(door, clock)
    made.data_received(GET)
    wire.unsent = 100_000
    for _ in range(50):
        door.sweep(clock.now)
        wire.unsent -= 900
        clock.now += 1
    assert not wire.aborted, "900 bytes a second are too few in the long run, but there is grace"
    for _ in range(200):
        door.sweep(clock.now)
        clock.now += 1
    assert wire.aborted


def test_a_fast_reader_of_a_large_answer_is_not(clock):
    progress = Progress(0.0)
    for second in range(1000):
        assert not progress.stuck(second, 2_000_000 - 2000 * second, PATIENCE)


def test_when_it_is_full_the_one_that_waited_longest_goes(door, clock):
    asking, wire = opened(door, clock)
    asking.data_received(GET)
    (_, first), (_, second), (_, third) = (opened(door, clock) for _ in range(3))
    assert first.aborted and not (wire.aborted or second.aborted or third.aborted)


def test_when_everyone_has_asked_the_next_is_refused(door, clock):
    for _ in range(3):
        opened(door, clock)[0].data_received(GET)
    _, wire = opened(door, clock)
    assert status(wire) == 503 and wire.closed


def test_who_is_closed_makes_room(door, clock):
    made = [opened(door, clock)[0] for _ in range(3)]
    for each in made:
        each.data_received(GET)
    made[0].connection_lost(None)
    assert not opened(door, clock)[1].is_closing()


def test_stages_follow_a_request(door, clock):
    made, _ = opened(door, clock)
    seen = [made._progress.stage]
    for part in (GET[:5], GET[5:]):
        made.data_received(part)
        seen.append(made._progress.stage)
    made.cycle.response_complete = True
    made.on_response_complete()
    assert [*seen, made._progress.stage] == [Stage.IDLE, Stage.HEAD, Stage.ANSWER, Stage.IDLE]
