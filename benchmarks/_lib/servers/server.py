"""A server under test: how it is installed, started, asked and ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from _lib.servers.work import Array, Work
from burnish.core.errors import ServiceError
from burnish.data.locate import cache_folder

Body = tuple[bytes, dict[str, str]]
Settings = Mapping[str, Any]
APPS = Path(__file__).parent / "apps"
_PATIENCE_S = 120.0


class Server(ABC):
    """One kind of server. `packages` go into a virtual environment of its own; without any, ours is used."""

    name: str
    packages: tuple[str, ...] = ()

    @abstractmethod
    def choices(self, limit_ms: float, max_batch: int) -> list[dict[str, Any]]:
        """Settings worth trying for requests that are to be answered within `limit_ms`."""

    @abstractmethod
    def command(self, work: Work, settings: Settings, port: int, folder: Path) -> list[str]:
        """What starts it; files it needs go into `folder`."""

    @abstractmethod
    def body(self, work: Work, row: Array) -> Body:
        """One request for one row."""

    @abstractmethod
    def url(self, port: int) -> str:
        """Where requests go."""

    def environment(self) -> dict[str, str]:
        """Variables beside the common ones."""
        return {}

    def after(self) -> None:  # noqa: B027 - most have nothing to do
        """What is left to do when the process group is dead."""

    @property
    def home(self) -> Path:
        """Its virtual environment."""
        return cache_folder() / "benchmarks" / "servers" / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.home / "bin" / "python") if self.packages else sys.executable

    def install(self) -> None:
        """Make the environment, once. Raises `ServiceError`."""
        mark = self.home / ".ready"
        wanted = " ".join(self.packages)
        if not self.packages or (mark.is_file() and mark.read_text() == wanted):
            return
        make = [sys.executable, "-m", "venv", "--clear", str(self.home)]
        fill = [str(self.home / "bin" / "pip"), "install", "-q", *self.packages]
        for command in (make, fill):
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            if found.returncode:
                raise ServiceError(f"{self.name} cannot be installed", why=found.stderr[-500:])
        mark.write_text(wanted)

    @contextlib.contextmanager
    def running(self, work: Work, settings: Settings, folder: Path, *, cores: str = "") -> Iterator[tuple[int, int]]:
        """Start it; its port and process id, once it answers a request. Raises `ServiceError`."""
        port = free_port()
        variables = {
            **os.environ,
            "WORK": str(work.write_spec(folder)),
            "SETTINGS": json.dumps(dict(settings)),
            "PORT": str(port),
            "APPS": str(APPS),
            "OMP_WAIT_POLICY": "passive",
            "PATH": f"{Path(self.python).parent}:{os.environ['PATH']}",
            **self.environment(),
        }
        command = self.command(work, settings, port, folder)
        if cores:
            command = ["taskset", "-c", cores, *command]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=variables, stdout=log, stderr=log, cwd=folder, start_new_session=True
            )
        try:
            self._wait(work, port, process, folder)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.after()

    def _wait(self, work: Work, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
        data, headers = self.body(work, work.rows[0])
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            try:
                request = urllib.request.Request(self.url(port), data, headers)
                with urllib.request.urlopen(request, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        last = (folder / "server.log").read_text(errors="replace")[-1500:]
        raise ServiceError(f"{self.name} does not answer", where=str(folder), why=last)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def library_path() -> str:
    """Where this interpreter's shared library lies, for servers that embed one."""
    return str(sysconfig.get_config_var("LIBDIR"))


def raw(row: Array) -> Body:
    """The bytes of the row alone."""
    return row.tobytes(), {"content-type": "application/octet-stream"}


def as_json(value: object) -> Body:
    """A JSON body."""
    return json.dumps(value).encode(), {"content-type": "application/json"}


def v2(inputs: Sequence[tuple[str, str, Array]], *, binary: bool = True) -> Body:
    """A request of the Open Inference Protocol: name, datatype and array [1, ...] of every input."""
    heads: list[dict[str, Any]] = []
    tail = b""
    for name, datatype, array in inputs:
        head: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if binary:
            head["parameters"] = {"binary_data_size": array.nbytes}
            tail += array.tobytes()
        else:
            head["data"] = array.ravel().tolist()
        heads.append(head)
    if not binary:
        return as_json({"inputs": heads})
    text = json.dumps({"inputs": heads, "parameters": {"binary_data_output": True}}).encode()
    return text + tail, {
        "inference-header-content-length": str(len(text)),
        "content-type": "application/octet-stream",
    }
