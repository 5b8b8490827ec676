"""All loaders side by side on one set of rows: rows per second into torch tensors, shuffled, round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from _lib.bars import Bar
from burnish.core.errors import ServiceError
from burnish.core.progress import Progress, Silent
from burnish.data.locate import cache_folder
from burnish.data.tables.convert import convert

Rounds = dict[str, list[float]]

_REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_PEER = Path(__file__).parent / "peer.py"
_OURS = "ours"


def install(say: Progress) -> dict[str, Path]:
    """An interpreter per environment, with this one's torch beside its own packages. Raises `ServiceError`."""
    found = {}
    for line in _REQUIREMENTS.read_text().splitlines():
        if line.startswith("#"):
            continue
        name = line.split("==")[0]
        home = cache_folder() / "loader-peers" / line.replace(" ", "-")
        python = home / "bin" / "python"
        if not (home / "ready").exists():
            say.say(f"installing {line}")
            _run([sys.executable, "-m", "venv", "--clear", str(home)])
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            packages = home / "lib" / version / "site-packages"
            (packages / "beside.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
            _run([str(python), "-m", "pip", "install", "-q", *line.split()])
            (home / "ready").touch()
        found[name] = python
    return found


def race(name: str, x: np.ndarray, y: np.ndarray, folder: Path, rounds: int, say: Progress) -> tuple[Bar, Rounds]:
    """Ours against the best peer; every loader reads one epoch to warm up, then one in each round."""
    folder.mkdir(parents=True)
    np.savez(folder / "rows.npz", x=x, y=y)
    convert(folder / "rows.npz", folder / "rows.parquet", progress=Silent())
    pythons = install(say)
    runners = {
        "pandas": pythons["datasets"],
        "pandas, no workers": pythons["datasets"],
        "pyarrow": pythons["datasets"],
        "pyarrow, no workers": pythons["datasets"],
        "datasets, torch": pythons["datasets"],
        "datasets, numpy": pythons["datasets"],
        "litdata": pythons["litdata"],
        "mosaic": pythons["mosaicml-streaming"],
        _OURS: Path(sys.executable),
    }
    children = {label: _start(label, python, folder) for label, python in runners.items()}
    found: Rounds = {label: [] for label in children}
    try:
        for turn in range(rounds + 1):
            for label, child in children.items():
                speed = _ask(label, child, len(y))
                if turn:
                    found[label].append(speed)
                say.say(f"{name}, round {turn}, {label}: {speed:,.0f} rows/s")
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    return bar(name, found), found


def bar(name: str, found: Mapping[str, list[float]]) -> Bar:
    """Ours against the peer with the highest median, the ratio taken round by round."""
    best = max((label for label in found if label != _OURS), key=lambda label: float(np.median(found[label])))
    ratios = [mine / theirs for mine, theirs in zip(found[_OURS], found[best], strict=True)]
    return Bar(
        name=f"{name}: rows/s into shuffled tensors, 2 workers, against the best peer",
        value=float(np.median(ratios)),
        unit="x",
        low=min(ratios),
        high=max(ratios),
        bar=3,
        note=f"best peer: {best}",
    )


def _start(label: str, python: Path, folder: Path) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[3] / "src")
    environment = {**os.environ, "PYTHONPATH": source, "BURNISH_CACHE": str(folder / "cache")}
    log = (folder / f"{label.replace(' ', '-')}.log").open("w")
    command = [str(python), str(_PEER), label, str(folder), "512"]
    with log:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )


def _ask(label: str, child: subprocess.Popen[str], expected: int) -> float:
    """Rows per second of one epoch. Peers print other things too."""
    pipe_in, pipe_out = _pipes(child)
    pipe_in.write("go\n")
    pipe_in.flush()
    for line in pipe_out:
        if line.startswith('{"rows"'):
            answer = json.loads(line)
            if not expected <= answer["rows"] <= expected * 1.01:
                raise ServiceError(f"{label} read {answer['rows']} of {expected} rows")
            return float(answer["rows"] / answer["seconds"])
    raise ServiceError(f"the loader {label} ended", help="its log lies beside its rows")


def _pipes(child: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if child.stdin is None or child.stdout is None:
        raise ServiceError("a loader has no pipes")
    return child.stdin, child.stdout


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"{command[2:5]} failed", why=done.stderr.strip().splitlines()[-1])
