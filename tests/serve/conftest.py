"""A real artifact, made once."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.pipeline.recipe import Compile
from tests.pipeline.fake import FIT, a_run, by_size, fake_times


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image classifier on ONNX Runtime: input `image` [N, 3, 12, 12], output `scores` [N, 5]."""
    return make(tmp_path_factory, "onnxruntime")


@pytest.fixture(scope="session")
def dynamic_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, quantized while it runs: activation ranges are those of the whole batch."""
    return make(tmp_path_factory, "onnxruntime dynamic")


def make(tmp_path_factory: pytest.TempPathFactory, fastest: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BURNISH_CACHE", str(tmp_path_factory.mktemp("cache")))
        fake_times(patch, lambda built: by_size(built) * (0.01 if built.label == fastest else 1.0))
        recipe = Compile(backends=("eager", "onnxruntime"), target="onnxruntime", tolerance=0.05)
        return a_run(tmp_path_factory.mktemp("run"), FIT, compile=recipe, budget="accuracy>=-30pt").execute().artifact


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((16, 3, 12, 12)).astype(np.float32)


@pytest.fixture(scope="session")
def scores(artifact: Path, images: np.ndarray) -> np.ndarray:
    with burnish.load(artifact) as model:
        found = model(images)
    assert isinstance(found, np.ndarray)
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def service(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of HTTP and gRPC; two versions of the model `tiny`."""
    repository = tmp_path_factory.mktemp("models")
    for version in ("1", "3"):
        (repository / "tiny").mkdir(exist_ok=True)
        (repository / "tiny" / version).symlink_to(artifact)
    ports = free_port(), free_port()
    command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(repository)]
    command += ["--port", str(ports[0]), "--grpc-port", str(ports[1]), "--threads", "1", "--latency-target-ms", "5000"]
    process = subprocess.Popen(command)
    try:
        until_ready(process, ports[0])
        yield ports
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@dataclass(frozen=True)
class Guarded:
    """A service whose clients have little time and room: 1 MiB a body, 200 connections, 2 s for a head or a body."""

    http: int
    grpc: int
    pid: int

    def peak_mb(self) -> float:
        """The most memory that the front end's process ever had."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@pytest.fixture(scope="session")
def guarded(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    repository = tmp_path_factory.mktemp("guarded")
    (repository / "tiny").mkdir()
    (repository / "tiny" / "1").symlink_to(artifact)
    http, grpc = free_port(), free_port()
    code = f"""
from pathlib import Path
from burnish.serve.http.patience import Patience
from burnish.serve.run import Options, serve
patience = Patience(idle_s=20, head_s=2, grace_s=2, bytes_per_s=65536)
options = Options(port={http}, grpc_port={grpc}, threads=1, max_body=1 << 20, max_connections=200, drain_s=1,
                  patience=patience)
serve([Path({str(repository)!r})], options, print)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        until_ready(process, http)
        yield Guarded(http, grpc, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        assert process.poll() is None, "the service ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
