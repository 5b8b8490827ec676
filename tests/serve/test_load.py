from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import BadData, BadRequest, ServiceError
from burnish.serve.load import arrivals
from burnish.serve.load.client import describe, random_bodies, run
from burnish.serve.load.summary import Reply, Summary, summarize
from burnish.serve.load.sweep import knee, until_the_knee
from burnish.serve.load.wire import Wires
from burnish.serve.protocol.rest import HEADER_LENGTH, parse_request


@given(st.floats(20, 500), st.floats(5, 20), st.integers(0, 99))
def test_arrivals_have_the_rate_that_was_asked_for(rate, seconds, seed):
    for due in (arrivals.poisson(rate, seconds, seed=seed), arrivals.bursts(rate, seconds, seed=seed)):
        assert all(a <= b for a, b in pairwise(due)) and due[0] >= 0 and due[-1] < seconds
        assert abs(len(due) - rate * seconds) < 6 * (rate * seconds) ** 0.5 + rate
    assert all(moment % 1.0 < 0.5 for moment in arrivals.bursts(rate, seconds, seed=seed))


def test_a_trace_is_stretched_to_the_rate(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(
        "TIMESTAMP,Other\n2023-11-16 18:15:46.6805900,1\n2023-11-16 18:15:47.6805900,1\n2023-11-16 18:15:50.68,1\n"
    )
    assert arrivals.trace(path, 1.0, 100.0) == pytest.approx([0.0, 0.5, 2.0], rel=1e-3)


@pytest.mark.parametrize("text", ["", "A,B\n1,2\n", "TIMESTAMP\nx\ny\n", "TIMESTAMP\n2\n1\n", "TIMESTAMP\n1\n1\n"])
def test_a_trace_that_is_none_is_an_error_with_the_file(tmp_path, text):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(BadData, match=r"trace\.csv"):
        arrivals.trace(path, 1.0, 10.0)


def test_figures_of_a_run():
    replies = [Reply(due=i, done=i + 0.01 * (i + 1), status=200) for i in range(10)]
    replies += [Reply(due=0.0, done=0.002, status=429), Reply(due=0.0, done=0.001, status=0)]
    found = summarize(replies, 1.2, 10.0, 0.05)
    assert (found.requests, found.answered, found.in_time, found.goodput) == (12, 10, 5, 0.5)
    assert (found.p50_ms, found.p99_ms, found.refusal_p95_ms) == (50.0, 100.0, 2.0)
    assert found.refusals == {"0": 1, "429": 1}


@given(st.floats(0.5, 5000))
def test_the_search_finds_the_highest_rate_that_is_kept_up_with(limit):
    tried = []

    async def measure(rate: float) -> Summary:
        tried.append(rate)
        replies = [Reply(due=0.0, done=0.0 if rate <= limit else 9.0, status=200)]
        return summarize(replies, rate, 1.0, 1.0)

    found = asyncio.run(until_the_knee(measure, 10.0))
    assert knee(found) <= limit < 1.1 * knee(found) + 1e-9
    assert len(tried) <= 20 and [item.rate for item in found] == sorted(tried)


def test_made_up_requests_are_requests(images):
    metadata = {
        "inputs": [
            {"name": "ids", "shape": [-1, -1], "datatype": "INT64"},
            {"name": "x", "shape": [-1, 3], "datatype": "FP32"},
        ]
    }
    bodies = random_bodies(metadata, [4, 7], count=4)
    shapes = [parse_request(body, headers[HEADER_LENGTH]).inputs["ids"].shape for body, headers in bodies]
    assert shapes == [(1, 4), (1, 7), (1, 4), (1, 7)]
    with pytest.raises(BadRequest, match="--sizes"):
        random_bodies(metadata, [])


def test_where_nobody_listens_the_error_says_how_to_start_a_service():
    with pytest.raises(ServiceError, match="burnish serve"):
        asyncio.run(describe("http://127.0.0.1:9/v2/models/x"))


def test_a_load_on_a_real_service_counts_every_request(service, capsys):
    from typer.testing import CliRunner

    from burnish.cli.main import app

    result = CliRunner().invoke(
        app, ["load", f"http://127.0.0.1:{service[0]}", "--rates", "40,80", "--seconds", "1", "--deadline-ms", "4000"]
    )
    assert result.exit_code == 0, result.output
    last = json.loads(result.stdout.strip().splitlines()[-1])
    assert [item["rate"] for item in last["runs"]] == [40.0, 80.0]
    for item in last["runs"]:
        assert item["answered"] == item["requests"] > 10 and not item["refusals"]


class Scripted:
    """A server that answers the n-th connection with the n-th script: bytes for every request, then the end."""

    def __init__(self, *scripts: Sequence[bytes]) -> None:
        self.scripts = list(scripts)
        self.asked: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in self.scripts.pop(0):
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.asked.append(head + await reader.readexactly(size))
                writer.write(answer)
        finally:
            writer.close()

    def load(self, count: int, patience_s: float = 5.0) -> list[int]:
        """Statuses of that many requests, sent one after the other."""

        async def ask() -> list[int]:
            server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                wires = Wires(f"http://127.0.0.1:{port}/v2/x")
                found = []
                for _ in range(count):
                    answer = asyncio.get_running_loop().create_future()
                    wires.send(wires.render((b"body", {"a": "b"})), answer.set_result)
                    found.append(await asyncio.wait_for(answer, patience_s))
                await wires.close()
                await asyncio.sleep(0.01)  # the server's side hears of it
                return found

        return asyncio.run(ask())


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


def test_a_connection_is_kept_and_its_requests_are_whole():
    server = Scripted([OK, BUSY, OK])
    assert server.load(3) == [200, 429, 200]
    assert all(asked.startswith(b"POST /v2/x HTTP/1.1\r\nhost: 127.0.0.1:") for asked in server.asked)
    assert all(asked.endswith(b"a: b\r\ncontent-length: 4\r\n\r\nbody") for asked in server.asked)


@pytest.mark.parametrize("broken", [b"", OK[:-1], b"who is there?\r\n\r\n"])
def test_a_request_without_a_whole_answer_is_0_and_the_next_has_a_connection_of_its_own(broken):
    server = Scripted([broken], [OK])
    assert server.load(2) == [0, 200]


def test_an_answer_that_ends_the_connection_counts():
    server = Scripted([OK.replace(b"\r\n", b"\r\nconnection: close\r\n", 1), OK], [OK])
    assert server.load(2) == [200, 200]


def test_nobody_listens_is_a_status_not_an_error():
    replies = asyncio.run(run("http://127.0.0.1:9/x", [(b"", {})], [0.0, 0.01], patience_s=5.0, tell=lambda _n: None))
    assert [reply.status for reply in replies] == [0, 0]


def test_what_never_answers_is_given_up():
    async def ask() -> list[Reply]:
        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.5)
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        found = await run(f"http://127.0.0.1:{port}/x", [(b"", {})], [0.0], patience_s=0.1, tell=lambda _n: None)
        await asyncio.sleep(0.6)
        server.close()
        return found

    assert [reply.status for reply in asyncio.run(ask())] == [0]


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "file:///etc/hostname", "127.0.0.1:8000", "http://", "http://[x", "http://a:b"]
)
def test_what_is_no_url_is_an_error(url):
    with pytest.raises(ServiceError, match="not an http or https URL"):
        Wires(url)
    with pytest.raises(ServiceError, match="not an http or https URL"):
        asyncio.run(describe(url))


def test_no_requests_take_no_time():
    found = asyncio.run(run("http://127.0.0.1:9/x", [(b"", {})], [], patience_s=1e9, tell=lambda _n: None))
    assert found == []


def test_what_is_late_goes_out_at_once_in_order_and_nothing_after_the_end():
    sent: list[int] = []
    ended = threading.Event()

    def send(number: int) -> None:
        sent.append(number)
        if number == 2:
            ended.set()

    arrivals.pace([0.0, 0.0, 0.0, 0.0], send, ended)

    assert sent == [0, 1, 2]
