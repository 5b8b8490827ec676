from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.cli import data
from burnish.data.tables.samples import read_samples
from burnish.workloads import registry


@pytest.fixture
def mislabelled(monkeypatch: pytest.MonkeyPatch):
    """Digits of which every fifth row is called the next digit; which rows those are."""
    work = registry.get("digits")
    targets = work.train.targets.copy()
    targets[::5] = (targets[::5] + 1) % 10
    monkeypatch.setattr(registry, "get", lambda name: replace(work, train=replace(work.train, targets=targets)))
    return np.arange(0, len(targets), 5)


def test_check_shows_doubtful_labels_and_what_they_rather_are(mislabelled, tmp_path, capsys):
    data.check("digits", tmp_path / "rows.parquet", 2000, None)
    shown = capsys.readouterr().out
    assert "label-issue" in shown and "rather" in shown and "labels are doubtful" in shown
    rows = read_samples(tmp_path / "rows.parquet").flagged("label-issue")
    assert np.isin(rows, mislabelled).mean() > 0.8 and len(rows) > 0.8 * len(mislabelled)
    pair = next(
        line.split() for line in reversed(shown.splitlines()) if line.split()[-1:] and line.split()[-1].isdigit()
    )
    assert int(pair[1]) == (int(pair[0]) - 1) % 10


def test_check_says_why_labels_were_not_looked_at(monkeypatch: pytest.MonkeyPatch, capsys):
    work = registry.get("digits")
    mixed = np.random.default_rng(0).permutation(work.train.targets)
    monkeypatch.setattr(registry, "get", lambda name: replace(work, train=replace(work.train, targets=mixed)))
    data.check("digits", None, 300, None)
    assert "labels were not looked at: a quick classifier guesses" in capsys.readouterr().out
