import io
import json
import sys

import numpy as np
import pytest

from burnish.measure.worker import Worker, forget_peak_memory, main, peak_memory_bytes, read_requests, write_requests
from tests.measure.sample import SIGNATURE, requests


@pytest.fixture
def load(tmp_path):
    write_requests(tmp_path / "requests.npz", requests(3))
    return {
        "backend": "null",
        "folder": str(tmp_path),
        "options": {},
        "signature": SIGNATURE.to_json(),
        "threads": 1,
    }


@pytest.fixture
def take(tmp_path):
    return {"requests": str(tmp_path / "requests.npz")}


def talk(*messages):
    target = io.StringIO()
    main(io.StringIO("".join(json.dumps(m) + "\n" for m in messages)), target)
    return [json.loads(line) for line in target.getvalue().splitlines()]


def test_requests_survive_the_file(tmp_path):
    path = tmp_path / "r.npz"
    items = [{"x": np.array([[i]]), "mask": np.array([True])} for i in range(12)]
    write_requests(path, items)
    again = read_requests(path)
    assert [int(r["x"][0, 0]) for r in again] == list(range(12))
    assert again[0]["mask"].dtype == bool


def test_a_conversation(load, take):
    run = {"run": {"first": 2, "count": 2, "repeat": 3, "warmup": 1}}
    loaded, taken, ran, closed = talk({"load": load}, {"take": take}, run, {"close": {}}, run)
    assert loaded == taken == {"ok": {}}
    assert len(ran["ok"]["ms"]) == 6
    assert all(ms >= 0 for ms in ran["ok"]["ms"])
    assert ran["ok"]["peak_memory_bytes"] > 1 << 20
    assert closed == {"ok": {}}


def test_errors_are_answered(load):
    answers = talk(
        {"run": {"first": 0, "count": 1, "repeat": 1, "warmup": 0}},
        {"load": load | {"backend": "nulll"}},
        {"take": {"requests": "missing.npz"}},
        {"load": load},
        {"take": {"requests": "missing.npz"}},
        {"sing": {}},
        {"close": {}},
    )
    kinds = [answer["error"]["kind"] for answer in answers if "error" in answer]
    assert kinds == ["BurnishError", "UnknownName", "BurnishError", "BurnishError", "BurnishError"]
    assert answers[1]["error"]["help"] == "did you mean 'null'?"
    assert answers[2]["error"]["what"] == "nothing is loaded"
    assert "FileNotFoundError" in answers[4]["error"]["what"]


def test_requests_must_fit_the_signature(load, tmp_path):
    path = tmp_path / "wrong.npz"
    write_requests(path, [{"x": np.zeros((1, 2), np.float64)}])
    _, answer = talk({"load": load}, {"take": {"requests": str(path)}})
    assert answer["error"]["kind"] == "BadRequest"


def test_pickles_are_not_read(tmp_path):
    path = tmp_path / "r.npz"
    np.savez(path, **{"0/x": np.array([object()])})
    with pytest.raises(ValueError, match="allow_pickle"):
        read_requests(path)


def test_a_run_goes_round_the_requests(load, take):
    seen = []
    worker = Worker()
    worker.load(**load)
    worker.take(**take)
    worker._executable = lambda request: seen.append(request["x"].shape[1])
    worker.run(first=2, count=2, repeat=2, warmup=3)
    assert seen == [3, 1, 3, 3, 1, 3, 1]


def test_peak_memory_never_falls_until_it_is_forgotten():
    before = peak_memory_bytes()
    block = np.ones(1 << 24)
    size = block.nbytes
    del block
    peak = peak_memory_bytes()
    assert peak >= max(before, size)
    forget_peak_memory()
    assert peak_memory_bytes() <= (peak - size // 2 if sys.platform == "linux" else peak)
