"""Ranks on Ray: `pip install -e '.[ray]'` into a virtual environment, and run this file there (`make test-ray`)."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import burnish
from burnish.model.weights import load_tensors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'"),
]
PATIENCE_S = 400
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
RECIPE = """
workload: made:stumbling
passes:
  - fit: {epochs: 3}
"""
MODULE = """
import dataclasses, os, signal
from pathlib import Path

from burnish.core.errors import BadData
from burnish.workloads.kinds.digits import digits


def stumbling():
    "Digits; in the third epoch rank 1 kills itself, raises or fails, as a file says; once only."
    made, calls = digits(), iter(range(10**6))

    def loss(outputs, targets):
        if os.environ.get("RANK") == "1" and next(calls) == 80:
            for word in ("kill", "raise", "fail"):
                if Path(word).exists():
                    Path(word).unlink()
                    if word == "raise":
                        raise BadData("a row is broken", where="row 7")
                    if word == "fail":
                        raise ZeroDivisionError("nobody thought of this")
                    os.kill(os.getpid(), signal.SIGKILL)
        return made.loss(outputs, targets)

    return dataclasses.replace(made, name="stumbling", loss=loss)
"""
HEAD = """
import sys
import ray

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray that runs already; it ends with its standard input."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HEAD], env=environment(), **pipes) as head:
        assert head.stdout is not None
        yield head.stdout.readline().strip()
        assert head.poll() is None, "the cluster ended with a training"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a recipe whose workload is a module beside it."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "made.py").write_text(MODULE)
    return tmp_path


def environment() -> dict[str, str]:
    """Without the ranks of others, and with this burnish for the workers."""
    kept = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "RAY_ADDRESS")}
    return kept | TOKEN | {"PYTHONPATH": str(Path(burnish.__file__).parents[1])}


def command(*more: str) -> list[str]:
    """`burnish train` on two ranks."""
    return [sys.executable, "-m", "burnish", "train", "recipe.yaml", "--devices", "2", "--set", "threads=1", *more]


def places(folder: Path, cache: str, address: str) -> dict[str, Any]:
    chosen = {"BURNISH_CACHE": str(folder / cache)} | ({"RAY_ADDRESS": address} if address else {})
    return {"cwd": folder, "env": environment() | chosen}


def train(folder: Path, *more: str, cache: str = "cache", address: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*more),
        **places(folder, cache, address),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def weights(folder: Path, cache: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Where in the cache the only trained weights lie, and these."""
    (found,) = (folder / cache).rglob("weights.safetensors")
    return str(found.relative_to(folder / cache)), load_tensors(found)


def assert_same(folder: Path, one: str, other: str) -> None:
    place, found = weights(folder, one)
    wanted_place, wanted = weights(folder, other)
    assert place == wanted_place and found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-5)


def test_a_ray_of_its_own_gives_the_weights_of_torchrun_under_the_same_key(folder: Path) -> None:
    done = train(folder, "--on", "ray")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "3 epochs" in done.stdout and "on 2 ranks" in done.stdout
    assert "strategy ddp" in done.stderr and "fit 102/102" in done.stderr
    plain = train(folder, cache="plain")
    assert plain.returncode == 0, plain.stderr[-4000:]
    assert_same(folder, "cache", "plain")


def test_a_killed_rank_is_named_and_the_same_command_goes_on(folder: Path, cluster: str) -> None:
    (folder / "kill").touch()
    stopped = train(folder, "--on", "ray", "--strategy", "zero2", address=cluster)
    assert stopped.returncode == 1
    assert "error: rank 1 of 2 died" in stopped.stderr and "the same command goes on" in stopped.stderr
    done = train(folder, "--on", "ray", "--strategy", "zero2", address=cluster)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "resumed after epoch 2" in done.stderr
    whole = train(folder, "--on", "ray", "--strategy", "zero2", cache="whole", address=cluster)
    assert whole.returncode == 0, whole.stderr[-4000:]
    assert_same(folder, "cache", "whole")


def test_restarts_go_on_by_themselves(folder: Path, cluster: str) -> None:
    (folder / "kill").touch()
    done = train(folder, "--on", "ray", "--restarts", "1", address=cluster)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "resumed after epoch 2" in done.stderr and not (folder / "kill").exists()


def test_what_a_rank_raises_is_shown_with_its_number(folder: Path, cluster: str) -> None:
    (folder / "raise").touch()
    done = train(folder, "--on", "ray", address=cluster)
    assert done.returncode == 1
    assert "error: a row is broken (rank 1; row 7)" in done.stderr
    (folder / "fail").touch()
    done = train(folder, "--on", "ray", cache="other", address=cluster)
    assert done.returncode == 1 and "in loss" in done.stderr, "the stack is missing"
    assert "error: rank 1 of 2 failed" in done.stderr and "why: ZeroDivisionError: nobody thought" in done.stderr


def test_ctrl_c_ends_the_training_and_the_same_command_goes_on(folder: Path, cluster: str) -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace("epochs: 3", "epochs: 40"))
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command("--on", "ray"), **places(folder, "cache", cluster), stderr=stream)
    end = time.monotonic() + PATIENCE_S
    while not any((folder / "cache").rglob("fit")):  # the first checkpoint
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130, log.read_text()[-4000:]
    assert "run the same command again to resume" in log.read_text()
    done = train(folder, "--on", "ray", address=cluster)
    assert done.returncode == 0 and "resumed after epoch" in done.stderr
