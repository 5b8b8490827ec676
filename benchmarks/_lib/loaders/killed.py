"""A training killed at random moments and started again must take the same steps on the same rows."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
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
            kills += turn(work, rng.randint(1, len(expected) // 2) if kills < times else len(expected) + 1)
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
        turn(work, 10**9)
    return _steps(work)


def turn(work: Path, more: int, world: int = 1) -> int:
    """Start so many ranks; kill all of them after `more` lines of the first. 1 when killed, 0 when it ended before.

    Raises `ServiceError` when it failed by itself.
    """
    file = work / "steps-0.txt"
    before = file.read_text().count("\n") if file.exists() else 0
    command = [sys.executable, str(_CHILD), str(work)]
    children = [
        subprocess.Popen(command, env=os.environ | place, stderr=subprocess.PIPE, text=True) for place in _places(world)
    ]
    killed = 0
    while any(child.poll() is None for child in children):
        now = file.read_text().count("\n") if file.exists() else 0
        failed = any(child.returncode for child in children)
        if now - before >= more or failed:
            killed = int(not failed)
            for child in children:
                child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    errors = [child.communicate()[1] for child in children]
    for rank in range(world):
        _whole_lines(work / f"steps-{rank}.txt")
    if not killed and any(child.returncode for child in children):
        raise ServiceError("the training failed", why=_why(children, errors))
    return killed


def _why(children: Sequence[subprocess.Popen[str]], errors: Sequence[str]) -> str:
    """How each rank ended, with its last line."""
    last = [(error.strip().splitlines() or [""])[-1] for error in errors]
    return "; ".join(f"rank {n} ended with {child.returncode} {last[n]}" for n, child in enumerate(children))


def _places(world: int) -> list[dict[str, str]]:
    """What torchrun would put into the environment of each rank; nothing for one process."""
    if world == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def _steps(work: Path) -> dict[int, str]:
    """What was done at each step; a step that was repeated after a kill must have been the same."""
    found: dict[int, str] = {}
    for line in (work / "steps-0.txt").read_text().splitlines():
        step, _, what = line.partition(" ")
        if found.setdefault(int(step), what) != what:
            found[int(step)] = "differs"
    return found


def _whole_lines(file: Path) -> None:
    """A kill may cut the last line."""
    text = file.read_text() if file.exists() else ""
    file.write_text(text[: text.rfind("\n") + 1])
