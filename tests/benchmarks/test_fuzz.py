from __future__ import annotations

import pytest
from _lib import fuzz_worker
from _lib.fuzz_worker import run
from _lib.fuzzing import KINDS, Input, make

LIMIT = 1 << 16


def test_an_input_is_its_seed_and_number() -> None:
    for number in range(50):
        found = make(number, 3, LIMIT)
        assert found == make(number, 3, LIMIT) == Input.from_json(found.to_json())
        assert found.kind == KINDS[number % len(KINDS)]
    assert make(7, 3, LIMIT) != make(7, 4, LIMIT)


def test_every_kind_becomes_requests_and_refusals() -> None:
    found = {kind: {run(make(number, 0, LIMIT), LIMIT) for number in range(k, 2500, 5)} for k, kind in enumerate(KINDS)}
    assert all({"request", "400"} <= outcomes for outcomes in found.values()), found


def test_another_exception_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fuzz_worker, "parse_request", lambda *_given: {}["no"])
    monkeypatch.setattr(fuzz_worker, "_limit", lambda _more: None)
    fuzz_worker.main(0, 10, 15, LIMIT, 0, 5)
    lines = capsys.readouterr().out.splitlines()
    assert sum('"failed"' in line and "KeyError" in line for line in lines) >= 2
    assert '"next": 15' in lines[-1]
