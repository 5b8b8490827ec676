"""Our loop against one written by hand: speed in interleaved rounds, and losses bit for bit."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _lib.bars import Bar
from _lib.training.cases import CASES, LOOPS
from burnish.core.errors import ServiceError
from burnish.core.progress import Progress

_CHILD = Path(__file__).with_name("loop_child.py")
_PAIRS = 4
"""Processes of each loop, one after the other: two of the same loop differ by as much as 5 %."""


def loop_bars(rounds: int, threads: int, found: dict[str, Any], say: Progress) -> list[Bar]:
    """Two bars for each case, over at least `rounds` rounds."""
    bars = []
    for key in LOOPS:
        name = CASES[key]().name
        took: dict[str, list[list[float]]] = {"ours": [], "hand": []}
        for _ in range(_PAIRS):
            losses = _pair(key, threads, -(-rounds // _PAIRS), took)
        rounds_run = len(took["ours"])
        ratios, busy = (
            [hand[kind] / ours[kind] for ours, hand in zip(took["ours"], took["hand"], strict=True)] for kind in (0, 1)
        )
        low, _, high = statistics.quantiles(ratios, n=4)
        used = f"{statistics.median(busy):.3f}x in processor time"
        same = sum(a == b for a, b in zip(losses["ours"], losses["hand"], strict=True))
        steps = len(losses["hand"])
        bars += [
            Bar(
                name=f"{name}: speed against a loop by hand",
                value=statistics.median(ratios),
                unit="x",
                low=low,
                high=high,
                bar=1.0,
                note=f"{rounds_run} rounds of {steps} steps in {_PAIRS} pairs of processes, {threads} threads; {used}",
            ),
            Bar(
                name=f"{name}: losses with the same bits",
                value=100 * same / steps,
                unit="% of steps",
                bar=100,
                note=f"{steps} steps, fp32",
            ),
        ]
        found[name] = {"seconds, and of the processor": took}
        say.say(f"{name}: {bars[-2].value:.3f}x [{low:.3f}, {high:.3f}], {same} of {steps} losses the same")
    return bars


def _pair(case: str, threads: int, rounds: int, took: dict[str, list[list[float]]]) -> dict[str, list[str]]:
    """The losses of each loop; adds what every round took. The first one warms up and is not counted."""
    children = {loop: _start(case, loop, threads) for loop in took}
    try:
        losses = {loop: _ask(child, "losses") for loop, child in children.items()}
        for turn in range(rounds + 1):
            for loop in list(children) if turn % 2 else list(reversed(children)):
                seconds = _ask(children[loop], "time")
                if turn:
                    took[loop].append(seconds)
    finally:
        for child in children.values():
            child.kill()
            child.communicate()
    return losses


def _start(case: str, loop: str, threads: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(_CHILD), case, loop, str(threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(child: subprocess.Popen[str], what: str) -> Any:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(what + "\n")
    child.stdin.flush()
    answer = child.stdout.readline()
    if not answer:
        raise ServiceError("a training ended early", where=str(child.args), why="its message stands above")
    return json.loads(answer)
