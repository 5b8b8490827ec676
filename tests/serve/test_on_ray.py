"""The service on a Ray of its own: `pip install -e '.[ray]'` into a virtual environment, and run this file there."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.http as http

import burnish
from tests.artifact.made import tiny_images
from tests.serve.conftest import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'"),
]
PATIENCE_S = 120


@dataclass
class Deployed:
    """A running command, where it listens, and the artifacts it serves."""

    process: subprocess.Popen[bytes]
    address: str
    images: Path
    log: Path

    def replicas(self) -> list[psutil.Process]:
        """Replica processes of Ray that live."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if " ".join(child.cmdline()).startswith("ray::ServeReplica:burnish"):
                    found.append(child)
            except psutil.Error:
                continue
        return found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One replica, two under load: `images`, a real network, and `slow`, which takes 30 ms whatever the batch."""
    root = tmp_path_factory.mktemp("models")
    images = tiny_images(root / "images" / "1")
    tiny_images(root / "slow" / "1", name="slow", backend="null", options={"ms": {"1": 30.0}})
    port, log = free_port(), tmp_path_factory.mktemp("log") / "log"
    command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(root)]
    command += ["--on", "ray", "--replicas", "1:2", "--port", str(port), "--threads", "1", "--max-batch", "4"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    children: list[psutil.Process] = []
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/v2/health/ready", process, log))
        yield Deployed(process, f"127.0.0.1:{port}", images, log)
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()[-4000:]
        assert not psutil.wait_procs(children, timeout=30)[1], "processes were left behind"


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-4000:]
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


@dataclass
class Load:
    """Clients that ask one model again and again, each on its own connection, while the block lasts."""

    address: str
    model: str
    inputs: list[np.ndarray[Any, Any]]
    wanted: list[np.ndarray[Any, Any]]
    clients: int
    right: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        client = http.InferenceServerClient(self.address, network_timeout=60)
        while not self._end.is_set():
            place = number = (number + 7) % len(self.inputs)
            try:
                found = infer(client, self.model, self.inputs[place])
            except Exception as error:
                with self._lock:
                    self.errors.append(f"{type(error).__name__}: {error}"[:200])
                continue
            same = np.allclose(found, self.wanted[place], rtol=1e-4, atol=1e-5)
            with self._lock:
                self.right += same
                self.wrong += not same
        client.close()


def infer(client: Any, model: str, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    sent = http.InferInput("image", list(image.shape), "FP32")
    sent.set_data_from_numpy(image)
    return client.infer(model, [sent]).as_numpy("scores")


@pytest.fixture(scope="module")
def cases(deployed: Deployed) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
    """Inputs of one to three rows, and what the artifact itself answers."""
    random = np.random.default_rng(0)
    inputs = [random.standard_normal((1 + number % 3, 3, 12, 12)).astype(np.float32) for number in range(30)]
    with burnish.load(deployed.images) as model:
        return inputs, [np.asarray(model(image)) for image in inputs]


def load(deployed: Deployed, cases: Any, clients: int) -> Load:
    return Load(deployed.address, "images", *cases, clients)


def slow(deployed: Deployed, cases: Any, clients: int) -> Load:
    image = [cases[0][0]]
    return Load(deployed.address, "slow", image, [np.zeros((1, 5), np.float32)], clients)


def test_the_protocols_client_gets_what_the_artifact_gives(deployed, cases):
    client = http.InferenceServerClient(deployed.address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("images")
    assert client.get_model_metadata("images")["inputs"][0]["shape"] == [-1, 3, 12, 12]
    for image, wanted in zip(*cases, strict=True):
        np.testing.assert_allclose(infer(client, "images", image), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(http.InferenceServerException, match="unknown model"):
        infer(client, "nope", cases[0][0])
    with pytest.raises(http.InferenceServerException, match="deploying it again"):
        client.load_model("images")
    client.close()


def test_load_brings_a_second_replica(deployed, cases):
    with slow(deployed, cases, 24) as pressing, load(deployed, cases, 1) as checked:
        until(lambda: len(deployed.replicas()) == 2)
        more = checked.right + 50
        until(lambda: checked.right >= more)
    assert not pressing.wrong and not checked.wrong
    assert not pressing.errors and not checked.errors


def test_a_replica_that_is_killed_costs_what_it_had_and_nothing_is_wrong(deployed, cases):
    with slow(deployed, cases, 24) as pressing, load(deployed, cases, 4) as checked:
        until(lambda: len(deployed.replicas()) == 2)
        until(lambda: checked.right >= 50)
        victim = deployed.replicas()[0]
        workers = victim.children(recursive=True)
        victim.kill()
        until(lambda: victim not in deployed.replicas() and len(deployed.replicas()) == 2)
        more = checked.right + 50
        until(lambda: checked.right >= more)
    assert not pressing.wrong and not checked.wrong
    assert len(checked.errors) <= 20, checked.errors[-3:]
    assert workers and not psutil.wait_procs(workers, timeout=30)[1], "the workers of a dead replica go on"


def test_tls_and_api_keys_hold_on_ray_too(tmp_path):
    tiny_images(tmp_path / "models" / "images" / "1", backend="null", options={"ms": {"1": 1.0}})
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True)
    (tmp_path / "keys").write_text("a-key-of-enough-characters\n")
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(tmp_path / "models")]
    command += ["--on", "ray", "--port", str(port), "--threads", "1", "--api-keys", str(tmp_path / "keys")]
    command += ["--tls-certificate", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    def status(path: str, headers: dict[str, str]) -> int:
        assert process.poll() is None, log.read_text()[-4000:]
        asked = urllib.request.Request(f"https://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=5, context=trusted) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    try:
        until(lambda: status("/v2/health/ready", {}) == 200)
        assert status("/v2/models/images", {}) == 401
        assert status("/v2/models/images", {"x-api-key": "another-key-of-enough-characters"}) == 401
        assert status("/v2/models/images", {"authorization": "Bearer a-key-of-enough-characters"}) == 200
        assert status("/v2/models/images", {"x-api-key": "a-key-of-enough-characters"}) == 200
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()[-4000:]


@pytest.fixture
def cluster() -> Iterator[dict[str, str]]:
    """A Ray that runs already, with a token of its own: the environment that joins it."""
    folder, port = tempfile.mkdtemp(prefix="ray-"), free_port()  # Ray's sockets take no long path
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # its replicas import burnish
    command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head", "--block"]
    command += ["--port", str(port), "--num-cpus", "2", "--include-dashboard", "false", "--temp-dir", folder]
    log = Path(folder) / "start.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=os.environ | token | paths)
    try:
        until(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()[-4000:]
        yield os.environ | token | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
        assert process.poll() is None, "the cluster ended with the service"
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        for child in psutil.wait_procs(children, timeout=20)[1]:
            child.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_service_joins_a_cluster_and_leaves_it_running(cluster, tmp_path):
    images = tiny_images(tmp_path / "models" / "images" / "1")
    image = np.random.default_rng(0).standard_normal((2, 3, 12, 12)).astype(np.float32)
    with burnish.load(images) as model:
        wanted = np.asarray(model(image))
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", "from burnish.cli.main import main; main()", "serve", str(tmp_path / "models")]
    command += ["--on", "ray", "--port", str(port), "--threads", "1"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=cluster)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/v2/models/images/ready", process, log))
        client = http.InferenceServerClient(f"127.0.0.1:{port}")
        np.testing.assert_allclose(infer(client, "images", image), wanted, rtol=1e-4, atol=1e-5)
        client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()[-4000:]
    with socket.socket() as asked:
        assert asked.connect_ex(("127.0.0.1", port)), "the service's address still answers"
    look = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "status", "--address"]
    subprocess.run([*look, cluster["RAY_ADDRESS"]], env=cluster, check=True, timeout=PATIENCE_S, capture_output=True)
