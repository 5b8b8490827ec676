"""Which HTTP server in front of the same application? Requests per second and latency, in interleaved rounds.

    python benchmarks/frontend.py runs/digits/artifact
    python benchmarks/frontend.py runs/digits/artifact --servers burnish,uvicorn --rounds 3

The server and its model have one core, the client the other. `burnish` is uvicorn with the limits that `burnish serve`
puts on clients; the others are as they come. Two requests: a health check, which is the front end alone, and inference
of one row. Ratios are against plain uvicorn in the same round. The peers are installed by the script into a
folder of their own. The last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _lib import results
from _lib.bars import Bar
from _lib.closed_loop import measure

from burnish.core.manifest import Manifest
from burnish.data.locate import cache_folder
from burnish.serve.protocol.datatypes import datatype_of

_SERVERS = ("burnish", "uvicorn", "granian", "hypercorn")
_PACKAGES = {"granian": "granian==2.8.7", "hypercorn": "hypercorn==0.18.0"}


def main() -> int:
    """Run everything; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path, help="the smallest model there is")
    parser.add_argument("--servers", default=",".join(_SERVERS))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each figure in each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--results", type=Path, default=results.RESULTS)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        parser.error("two cores are needed: one for the server, one for the client")
    os.sched_setaffinity(0, {cores[-1]})
    servers, requests = options.servers.split(","), _requests(options.artifact)
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as running:
        ports = {name: running.enter_context(_server(name, options.artifact, cores[0])) for name in servers}
        for number in range(-1, options.rounds):
            for name in servers if number % 2 else servers[::-1]:
                for what, sent in requests.items():
                    rate, _, failed = measure(ports[name], sent, options.connections, options.seconds)
                    _, alone, also = measure(ports[name], sent, 1, options.seconds)
                    row = {"round": number, "server": name, "what": what, "rate": rate, "failed": failed + also}
                    row["p50_ms"] = 1000 * statistics.median(alone)
                    print(row, file=sys.stderr, flush=True)
                    if number >= 0:  # the first warms up
                        rows.append(row)
    bars = [bar for name in servers if name != "uvicorn" for what in requests for bar in _bars(rows, name, what)]
    bars.append(
        Bar(name="answers other than 200", value=sum(row["failed"] for row in rows), unit="", bar=0, least=False)
    )
    return results.report("frontend", bars, {"rows": rows}, options.results)


def _bars(rows: Sequence[dict[str, Any]], name: str, what: str) -> list[Bar]:
    """Ratios to uvicorn, round by round. Ours has to be near it; a peer's figures have no bar to reach."""
    ours = name == "burnish"
    rate = _ratios(rows, name, what, "rate")
    time_ = _ratios(rows, name, what, "p50_ms")
    note = "median, quartiles over rounds" + ("" if ours else "; a peer, for comparison")
    title = f"{name}, {what}"
    return [
        Bar(
            name=f"{title}: requests per second against uvicorn",
            value=rate[1],
            low=rate[0],
            high=rate[2],
            unit="x",
            bar=0.9 if ours else 0.0,
            note=note,
        ),
        Bar(
            name=f"{title}: latency of one connection against uvicorn",
            value=time_[1],
            low=time_[0],
            high=time_[2],
            unit="x",
            bar=1.1 if ours else 1000.0,
            least=False,
            note=note,
        ),
    ]


def _ratios(rows: Sequence[dict[str, Any]], name: str, what: str, field: str) -> list[float]:
    by = {(row["round"], row["server"]): row[field] for row in rows if row["what"] == what}
    found = [value / by[number, "uvicorn"] for (number, server), value in by.items() if server == name]
    return statistics.quantiles(found, n=4, method="inclusive")


def _requests(artifact: Path) -> dict[str, bytes]:
    inputs = []
    for spec in Manifest.from_json((artifact / "manifest.json").read_text()).signature.inputs:
        shape = [size if isinstance(size, int) else 16 if place else 1 for place, size in enumerate(spec.shape)]
        count = 1
        for size in shape:
            count *= size
        inputs.append({"name": spec.name, "datatype": datatype_of(spec.dtype), "shape": shape, "data": [0] * count})
    body = json.dumps({"inputs": inputs}).encode()
    head = f"POST /v2/models/model/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    return {"health": b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n", "inference": head.encode() + body}


@contextlib.contextmanager
def _server(name: str, artifact: Path, core: int) -> Iterator[int]:
    """A running server's port; it and its worker are pinned to one core."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    here = Path(__file__).parent
    path = [str(here), *([str(_installed(name))] if name in _PACKAGES else []), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"FRONTEND_ARTIFACT": str(artifact.resolve()), "PYTHONPATH": os.pathsep.join(path)}
    command = ["taskset", "-c", str(core), sys.executable, str(here / "_lib" / "start_frontend.py"), name, str(port)]
    process = subprocess.Popen(command, env=environment, cwd=tempfile.gettempdir())
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{name} did not start")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _installed(name: str) -> Path:
    """A folder with the package in it, beside the measuring environment's own."""
    folder = cache_folder() / "frontends" / _PACKAGES[name].replace("==", "-")
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _PACKAGES[name]]
        subprocess.run(command, check=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
