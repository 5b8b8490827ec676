"""Killed at random moments: does the resumed run give the same artifact as an undisturbed one?

    python benchmarks/kill.py --times 50

A short digits recipe runs once undisturbed. Then, `--times` times and each time with an empty cache:
start it, SIGKILL it at a moment drawn evenly from the undisturbed run's length, run the same
command again until it ends, compare the manifests' `content_hash`. The last line of stdout is one
JSON document.

The clock is made up: a program's latency is the size of its weights. Which of two programs that are about equally
fast wins, and whether a small gain is measurable, is a measurement: it differs between two
undisturbed runs too, and says nothing about resuming. `--real-clock` measures all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _lib.bars import Bar
from _lib.results import last_line, write

from burnish.core.errors import BurnishError
from burnish.core.machine import fingerprint
from burnish.core.measurement import LatencyProfile, Measurement
from burnish.core.signature import Served
from burnish.pipeline.workbench import Built

_SETTINGS = (
    "passes.0.epochs=4",
    "passes.1.macs=0.3",
    "passes.1.recover.epochs=2",
    "passes.1.score_rows=256",
    "passes.2.recover.epochs=1",
    "passes.2.calibration_rows=64",
    "compile.backends=[openvino]",
    "compile.target=openvino",
    "compile.seconds=1",
    "compile.rounds=3",
    "served=[{batch: 32}]",
    "budget=accuracy>=-20pt",
)
_MAX_RESUMES = 5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one kill: the hash after resuming, and what had been done when it struck."""

    killed_at_s: float
    struck: bool
    content_hash: str
    kept: tuple[str, ...]
    seconds: float
    error: str = ""


def main() -> int:
    """Run all trials; 0 when every hash is equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="draws the moments")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=None, help="also write a JSON file into this folder")
    parser.add_argument("--real-clock", action="store_true", help="measure latencies; verdicts may then differ")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        return _child(options.child)
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="burnish-kill-") as scratch:
        first = _undisturbed(Path(scratch) / "undisturbed", options)
        print(f"undisturbed: {first.seconds:.1f} s, {first.content_hash[:12]}, {', '.join(first.kept)}", flush=True)
        trials = []
        for number in range(options.times):
            moment = draw.uniform(0.0, first.seconds)
            trials.append(_trial(Path(scratch) / str(number), moment, options))
            print(_line(number, trials[-1], first), flush=True)
    return _report(first, trials, options)


def _report(first: Trial, trials: Sequence[Trial], options: argparse.Namespace) -> int:
    equal = sum(trial.content_hash == first.content_hash for trial in trials)
    struck = sum(trial.struck for trial in trials)
    name = f"equal artifact hashes after {len(trials)} kills"
    note = f"{struck} of them struck while the run was going on"
    bar = Bar(name=name, value=float(equal), unit="hashes", bar=float(len(trials)), note=note)
    machine = fingerprint()
    line = last_line([bar], machine, shlex.join(["benchmarks/kill.py", *sys.argv[1:]]))
    if options.results is not None:
        rows = [vars(trial) for trial in trials]
        more: dict[str, Any] = {"settings": list(_SETTINGS), "undisturbed": vars(first), "trials": rows}
        write("kill", machine, line, more, options.results)
    print(line, flush=True)
    return 0 if bar.holds else 1


def _undisturbed(folder: Path, options: argparse.Namespace) -> Trial:
    started = time.perf_counter()
    done = _start(folder, options)
    _, told = done.communicate()
    if done.returncode:
        raise BurnishError(f"the undisturbed run ended with code {done.returncode}", why=told[-500:])
    return _finished(folder, 0.0, False, started)


def _trial(folder: Path, moment: float, options: argparse.Namespace) -> Trial:
    """Kill once, then run the same command until it ends well."""
    started = time.perf_counter()
    process = _start(folder, options)
    try:
        process.communicate(timeout=moment)
        struck = False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        struck = True
    told = ""
    for _ in range(_MAX_RESUMES):
        again = _start(folder, options)
        _, told = again.communicate()
        if again.returncode == 0:
            return _finished(folder, moment, struck, started)
    seconds = time.perf_counter() - started
    return Trial(killed_at_s=moment, struck=struck, content_hash="", kept=(), seconds=seconds, error=told[-500:])


def _finished(folder: Path, moment: float, struck: bool, started: float) -> Trial:
    artifact = folder / "out" / "artifact"
    manifest = json.loads((artifact / "manifest.json").read_text())
    ledger = json.loads((artifact / "ledger.json").read_text())
    return Trial(
        killed_at_s=round(moment, 2),
        struck=struck,
        content_hash=manifest["content_hash"],
        kept=tuple(f"{row['pass_name']} {row['verdict']}" for row in ledger["stages"]),
        seconds=round(time.perf_counter() - started, 2),
    )


def _start(folder: Path, options: argparse.Namespace) -> subprocess.Popen[str]:
    """`burnish optimize` in a process of its own, with a cache of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["real" if options.real_clock else "made-up", "optimize", "digits"]
    words += ["--out", str(folder / "out"), "--threads", str(options.threads)]
    for setting in _SETTINGS:
        words += ["--set", setting]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--child", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"BURNISH_CACHE": str(folder / "cache")},
    )


def _child(words: list[str]) -> int:
    """The command line of Burnish; with a made-up clock unless told otherwise."""
    from burnish.cli.main import main as burnish
    from burnish.pipeline.workbench import Workbench

    if words[0] == "made-up":
        Workbench.time = _by_size  # type: ignore[method-assign, assignment]
    sys.argv = ["burnish", *words[1:]]
    burnish()
    return 0


def _by_size(bench: object, built: Sequence[Built], served: Served, **settings: object) -> list[LatencyProfile]:
    """Stands in for `Workbench.time`: one millisecond per 100 kB of weights."""
    del bench, settings
    sizes = [sum(file.stat().st_size for file in item.folder.glob("*.bin")) for item in built]
    return [_profile(item.label, served.label, size / 1e5) for item, size in zip(built, sizes, strict=True)]


def _profile(label: str, served: str, ms: float) -> LatencyProfile:
    times = {
        name: Measurement(
            name=name, value=ms, unit="ms", low=ms, high=ms, n=3, protocol="made up from the size", machine="none"
        )
        for name in ("p50", "p95", "p99")
    }
    return LatencyProfile(label=label, served=served, rounds_ms=(ms,) * 3, peak_memory_bytes=0, **times)


def _line(number: int, trial: Trial, first: Trial) -> str:
    verdict = "equal" if trial.content_hash == first.content_hash else "DIFFERS"
    kept = "" if trial.kept == first.kept else f", {', '.join(trial.kept) or trial.error}"
    late = "" if trial.struck else " (had ended)"
    return f"{number + 1:3}  killed at {trial.killed_at_s:5.1f} s{late}  {verdict}, {trial.seconds:.1f} s{kept}"


if __name__ == "__main__":
    sys.exit(main())
