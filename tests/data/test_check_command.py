"""`burnish data check` shows rows that are there twice beside their partners, in one split or in two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.cli import data
from burnish.data import doubles
from burnish.workloads import registry
from burnish.workloads.workload import Workload


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Workload:
    """Digits with one train row of the validation rows and, far behind, one of its own."""
    found = registry.get("digits")
    (name,) = found.train.inputs
    train, validation = found.train.inputs[name].copy(), found.validation.inputs[name].copy()
    train[900], validation[4] = train[17], train[30]
    work = replace(
        found,
        train=replace(found.train, inputs={name: train}),
        validation=replace(found.validation, inputs={name: validation}),
    )
    monkeypatch.setattr(registry, "get", lambda name: work)
    return work


def test_partners_are_shown(work: Workload, capsys: pytest.CaptureFixture[str]) -> None:
    data.check("digits", None, 100, None)
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert "1 of" in shown and "train rows" in shown and "are there twice: row 900 is row 17" in " ".join(shown.split())
    assert ["train", "900", "train", "17"] in rows and ["validation", "4", "train", "30"] in rows
    assert "nothing found" not in shown


def test_rows_that_were_not_compared_are_told(
    work: Workload, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doubles, "MOST_BYTES", 50 * 256)
    data.check("digits", None, 100, None)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"of {len(work.train):,} train rows" in shown and f"of {len(work.validation):,} validation rows" in shown
    assert "doubles were looked for in the first 50 of" in shown and "900" not in shown
