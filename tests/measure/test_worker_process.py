import numpy as np
import pytest

from burnish.core.errors import BurnishError, UnknownName
from burnish.measure import worker_process
from burnish.measure.worker import write_requests
from burnish.measure.worker_process import WorkerProcess
from tests.measure.sample import SIGNATURE, requests


def body(tmp_path, **changes):
    return {
        "backend": "null",
        "folder": tmp_path,
        "options": {},
        "signature": SIGNATURE.to_json(),
        "threads": 1,
    } | changes


def take(worker, tmp_path):
    path = tmp_path / "requests.npz"
    write_requests(path, requests())
    worker.ask("take", requests=path)


def test_answers_and_raises_what_the_worker_says(tmp_path):
    with WorkerProcess("one", threads=1) as worker:
        assert worker.ask("load", **body(tmp_path)) == {}
        take(worker, tmp_path)
        with pytest.raises(UnknownName, match="did you mean") as caught:
            worker.ask("load", **body(tmp_path, backend="nul"))
        assert caught.value.where == "one"
        assert len(worker.ask("run", first=0, count=2, repeat=2, warmup=0)["ms"]) == 4
    assert worker._process.returncode == 0


def test_a_death_is_told_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_process.sys, "executable", "/bin/false")
    with WorkerProcess("gone", threads=1) as worker, pytest.raises(BurnishError, match="died with code 1"):
        worker.ask("load", **body(tmp_path))
        worker.ask("close")


def test_silence_ends(tmp_path):
    options = {"ms": {"1": 60_000.0}}
    with WorkerProcess("slow", threads=1) as worker:
        worker.ask("load", **body(tmp_path, options=options))
        take(worker, tmp_path)
        worker._timeout_s = 0.2
        with pytest.raises(BurnishError, match=r"no answer within 0.2 s"):
            worker.ask("run", first=0, count=1, repeat=1, warmup=0)


def test_the_environment_has_the_threads(tmp_path, monkeypatch):
    seen = {}
    start = worker_process.subprocess.Popen

    def popen(*args, env, **kwargs):
        seen.update(env)
        return start(["cat"], **{**kwargs, "env": env})

    monkeypatch.setattr(worker_process.subprocess, "Popen", popen)
    with WorkerProcess("echo", threads=3):
        pass
    assert seen["OMP_NUM_THREADS"] == "3"


def test_only_plain_values_are_sent():
    with WorkerProcess("one", threads=1) as worker, pytest.raises(TypeError, match="ndarray"):
        worker.ask("load", folder=np.zeros(1))
