"""A training killed at random moments and started again must take the same steps on the same rows."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from _lib.bars import Bar
from burnish.core.errors import ServiceError
from burnish.core.progress import Progress

_CHILD = Path(__file__).parent / "train_child.py"


def killed_bar(folder: Path, times: int, say: Progress) -> Bar:
    """Kills (each after a random number of further steps) and starts until there were `times`; trainings follow."""
    expected = _whole(folder / "whole")
    rng = random.Random(0)
    kills = runs = wrong = 0
    while kills < times:
        work = folder / f"run-{runs}"
        work.mkdir(parents=True)
        while not (work / "done").exists():
            kills += _turn(work, rng.randint(1, len(expected) // 2) if kills < times else len(expected) + 1)
        wrong += _steps(work) != expected
        runs += 1
        say.say(f"{kills} kills, {runs} trainings, {wrong} of them differ")
    return Bar(
        name="kill -9 in a training: steps, rows and losses as in one that was left alone",
        value=100 * (runs - wrong) / runs,
        unit="% of trainings",
        bar=100,
        note=f"{kills} kills in {runs} trainings of {len(expected)} steps",
    )


def _whole(work: Path) -> dict[int, str]:
    work.mkdir(parents=True)
    while not (work / "done").exists():
        _turn(work, 10**9)
    return _steps(work)


def _steps(work: Path) -> dict[int, str]:
    """What was done at each step; a step that was repeated after a kill must have been the same."""
    found: dict[int, str] = {}
    for line in (work / "steps.txt").read_text().splitlines():
        step, _, what = line.partition(" ")
        if found.setdefault(int(step), what) != what:
            found[int(step)] = "differs"
    return found


def _turn(work: Path, more: int) -> int:
    """Start; kill after `more` lines. 1 when it was killed, 0 when it ended before."""
    file = work / "steps.txt"
    before = file.read_text().count("\n") if file.exists() else 0
    child = subprocess.Popen([sys.executable, str(_CHILD), str(work)], stderr=subprocess.PIPE, text=True)
    while child.poll() is None:
        now = file.read_text().count("\n") if file.exists() else 0
        if now - before >= more:
            child.send_signal(signal.SIGKILL)
            child.wait()
            _whole_lines(file)
            return 1
        time.sleep(0.002)
    if child.returncode:
        _, error = child.communicate()
        raise ServiceError("the training failed", why=error.strip().splitlines()[-1])
    return 0


def _whole_lines(file: Path) -> None:
    """A kill may cut the last line."""
    text = file.read_text()
    file.write_text(text[: text.rfind("\n") + 1])
