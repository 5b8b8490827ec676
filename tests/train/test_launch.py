"""Ranks that are started here: one that dies is named, and all start anew where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import TrainingFailed
from burnish.train.launch import launch

WORKER = Path(__file__).with_name("rank_worker.py")


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [0, 1])
def test_ranks_start_anew_from_the_last_checkpoint(
    restarts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Rank 1 kills itself in the second epoch, but only the first time."""
    paths = [str(Path(burnish.__file__).parents[1]), str(WORKER.parents[2])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def start() -> None:
        launch([str(WORKER), "killed", str(tmp_path), "ddp", "1", "1"], devices=2, restarts=restarts)

    if restarts:
        start()
    else:
        with pytest.raises(TrainingFailed, match="rank 1 of 2 was killed by signal 9"):
            start()
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "weights.safetensors").exists() == bool(restarts)
    assert "Traceback" not in capfd.readouterr().err
