from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path

import numpy as np
import pytest
from _lib.servers import bentoml, litserve, mlserver, mosec, ours, ray, triton
from _lib.servers.drive import highest
from _lib.servers.made_up import device, mixed_device
from _lib.servers.server import v2

import burnish
from burnish.serve.protocol.rest import HEADER_LENGTH, parse_request

APPS = Path(__file__).parents[2] / "benchmarks" / "_lib" / "servers" / "apps"
SERVERS = [part.PART for part in (ours, triton, mosec, litserve, bentoml, ray, mlserver)]


@pytest.fixture
def sleeps(monkeypatch):
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def load_app(monkeypatch, path: Path):
    monkeypatch.setenv("WORK", str(path))
    spec = importlib.util.spec_from_file_location("work", APPS / "work.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Work()


@pytest.mark.parametrize("make", [device, mixed_device])
def test_every_server_sleeps_alike(make, tmp_path, monkeypatch, sleeps):
    work = make(tmp_path).work
    theirs = load_app(monkeypatch, work.write_spec(tmp_path))
    with burnish.load(work.artifact) as model:
        for row in work.rows:
            for rows in (1, 3, 32):
                batch = np.stack([row] * rows)
                model.run({"x": batch})
                answers = theirs.run([theirs.row(row.tobytes()), *[row] * (rows - 1)])
                assert len(answers) == rows
                assert sleeps[-2] == pytest.approx(sleeps[-1])
    assert len(set(sleeps)) > 2


def test_rows_of_different_length_are_padded_to_the_longest(tmp_path, monkeypatch, sleeps):
    work = mixed_device(tmp_path).work
    theirs = load_app(monkeypatch, work.write_spec(tmp_path))
    theirs.run([np.ones(16, np.float32), np.ones(128, np.float32)])
    assert sleeps == [pytest.approx(work.ms[16] / 1000)]


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_choice_of_settings_can_be_told_to_a_server(server, tmp_path):
    choices = server.choices(60.0, 32)
    assert len({json.dumps(settings, sort_keys=True) for settings in choices}) == len(choices) >= 1
    assert all(settings["max_batch"] == 32 for settings in choices)


def test_a_protocol_request_is_understood_by_ours():
    array = np.arange(6, dtype=np.float32).reshape(1, 6)
    for binary in (True, False):
        body, headers = v2([("x", "FP32", array)], binary=binary)
        request = parse_request(body, headers.get(HEADER_LENGTH.lower()))
        np.testing.assert_array_equal(request.inputs["x"], array)


@pytest.mark.parametrize("limit", [0.0, 3.0, 17.0, 99.0, 1000.0])
def test_the_highest_rate_is_found(limit):
    found = highest(lambda rate: 1.0 if rate <= limit else 0.5, 5.0, 100.0, 8)
    assert found == (0.0 if limit < 5 else pytest.approx(min(limit, 100.0), abs=0.5))
