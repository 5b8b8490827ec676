"""The parts with real models: highest rates, what an idle service adds to a request, 64 connections on one core."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton_grpc

import burnish
from _lib.bars import Bar
from _lib.servers.drive import Live, highest, with_server
from _lib.servers.made_up import Setting, against
from _lib.servers.server import Server, Settings, free_port
from _lib.servers.work import Work
from burnish.core.errors import ServiceError
from burnish.serve.load import arrivals
from burnish.serve.protocol.datatypes import datatype_of

LIMIT_MS = 35.0
MAX_BATCH = 32
_ROUNDS, _CALLS = 7, 150
_HALVINGS = 5


def rate_bars(setting: Setting, work: Work) -> list[Bar]:
    """The highest rate with 99 % within the limit, every server with the best of its settings."""
    rate: dict[str, float] = {}
    for server in setting.servers:
        for number, settings in enumerate(server.choices(LIMIT_MS, MAX_BATCH)):

            def use(live: Live, server: Server = server, settings: Settings = settings) -> None:
                def share(at: float) -> float:
                    due = arrivals.poisson(at, setting.seconds / 2, seed=9)
                    summary = live.open_loop(due, LIMIT_MS / 1000)
                    return summary.in_time / summary.requests

                found = _doubled(share)
                rate[server.name] = max(rate.get(server.name, 0.0), found)
                setting.note(
                    part=f"{work.name}: highest rate", server=server.name, settings=dict(settings), rate=round(found, 1)
                )

            folder = setting.folder / f"{server.name}-{work.name}-{number}"
            with _told(setting, server, settings):
                with_server(server, work, settings, folder, use)
    theirs = {name: value for name, value in rate.items() if name != "burnish"}
    return [against(f"{work.name}: highest rate, over the best peer's", rate.get("burnish", 0.0), theirs, 1.45)]


def idle_bars(setting: Setting, work: Work) -> list[Bar]:
    """One request at a time on an idle service, over calling the executable directly, round by round."""
    ours = setting.servers[0]
    added: dict[str, list[float]] = {"binary REST": [], "gRPC": []}
    settings = {**ours.choices(LIMIT_MS, MAX_BATCH)[0], "grpc_port": free_port()}

    def use(live: Live) -> None:
        with burnish.load(work.artifact, threads=1) as model, _callers(live, work, settings["grpc_port"]) as callers:
            inputs = {name: array.copy() for name, array in _inputs(work).items()}
            for _ in range(_ROUNDS):
                direct = _median_ms(lambda: model.run(inputs))
                for name, call in callers.items():
                    added[name].append(_median_ms(call) - direct)
                setting.note(part="idle", direct_ms=round(direct, 3), **{k: round(v[-1], 3) for k, v in added.items()})

    with_server(ours, work, settings, setting.folder / "idle", use)
    return [
        Bar(
            name=f"{work.name}: an idle service adds to a request, {name}",
            value=statistics.median(found),
            low=min(found),
            high=max(found),
            unit="ms",
            bar=1.0,
            least=False,
            note="median of rounds",
        )
        for name, found in added.items()
    ]


def connection_bars(setting: Setting, work: Work) -> list[Bar]:
    """Requests per second over 64 connections; the server has one core, the client the other."""
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        raise ServiceError("wrk and taskset are needed", help="apt-get install wrk util-linux")
    rates: dict[str, list[float]] = {}
    for server in setting.servers:
        for number, settings in enumerate(server.choices(LIMIT_MS, 64)):
            found: list[float] = []

            def use(live: Live, found: list[float] = found) -> None:
                script = _script(live, setting.folder)
                for _ in range(3):
                    found.append(_wrk(live, script, setting.seconds / 2))

            with _told(setting, server, settings):
                with_server(server, work, settings, setting.folder / f"{server.name}-wrk-{number}", use, cores="0")
            setting.note(
                part="64 connections",
                server=server.name,
                settings=dict(settings),
                rates=[round(rate) for rate in found],
            )
            if found and statistics.median(found) > statistics.median(rates.get(server.name, [0.0])):
                rates[server.name] = found
    return _connection_bars(rates)


def _connection_bars(rates: dict[str, list[float]]) -> list[Bar]:
    bars: list[Bar] = []
    ours = rates.get("burnish", [0.0])
    for name, theirs in rates.items():
        if name == "burnish":
            continue
        python = name not in ("mosec", "triton")
        middle = statistics.median(theirs)
        bars.append(
            Bar(
                name=f"64 connections on one core, over {name}",
                value=statistics.median(ours) / middle,
                low=min(ours) / max(theirs),
                high=max(ours) / min(theirs),
                unit="x",
                bar=1.0 if python else 0.7,
            )
        )
    return bars


def _doubled(share: Callable[[float], float]) -> float:
    """Double the rate until it is not kept up with, then halve the interval."""
    rate = 16.0
    while rate < 4000 and share(2 * rate) >= 0.99:
        rate *= 2
    return highest(share, rate if rate > 16 else 1.0, 2 * rate, _HALVINGS)


@contextlib.contextmanager
def _told(setting: Setting, server: Server, settings: Settings) -> Iterator[None]:
    """A setting with which a server does not run is told and passed over."""
    try:
        yield
    except ServiceError as error:
        setting.note(server=server.name, settings=dict(settings), failed=str(error))


def _inputs(work: Work) -> dict[str, np.ndarray]:
    row = work.rows[0][None]
    return {work.input: row} | ({work.mask: np.ones_like(row)} if work.mask else {})


@contextlib.contextmanager
def _callers(live: Live, work: Work, grpc_port: int) -> Iterator[dict[str, Callable[[], object]]]:
    """One call each way over a connection that stays open."""
    data, headers = live.server.body(work, work.rows[0])
    path = "/v2/models/model/infer"
    connection = http.client.HTTPConnection("127.0.0.1", live.port)
    client = triton_grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}")
    tensors = []
    for name, array in _inputs(work).items():
        tensor = triton_grpc.InferInput(name, array.shape, datatype_of(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)

    def rest() -> bytes:
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ServiceError(f"status {answer.status}", why=body[:200].decode())
        return body

    try:
        yield {"binary REST": rest, "gRPC": lambda: client.infer("model", tensors)}
    finally:
        connection.close()
        client.close()


def _median_ms(call: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _script(live: Live, folder: Path) -> Path:
    data, headers = live.server.body(live.work, live.work.rows[0])
    body = folder / "body.bin"
    body.write_bytes(data)
    lines = [
        'wrk.method = "POST"',
        f'local file = assert(io.open("{body}", "rb"))',
        'wrk.body = file:read("*a")',
        *(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()),
    ]
    path = folder / "post.lua"
    path.write_text("\n".join(lines))
    return path


def _wrk(live: Live, script: Path, seconds: float) -> float:
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    text = subprocess.run([*command, live.server.url(live.port)], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    total = re.search(r"(\d+) requests in", text)
    if rate is None or total is None:
        raise ServiceError("wrk says nothing", why=text[-300:])
    return float(rate.group(1)) * (1 - (int(bad.group(1)) / int(total.group(1)) if bad else 0.0))


def smallest(works: Sequence[Work]) -> Work:
    """The one whose program has the fewest bytes."""
    return min(works, key=lambda work: Path(work.spec["file"]).stat().st_size)
