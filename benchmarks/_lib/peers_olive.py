"""Olive's default CPU recipe, in a virtual environment of its own.

`olive auto-opt` is its recipe without data (peephole and transformer optimizations, dynamic INT8);
`olive optimize`, which is to replace it, quantizes statically and calibrates on WikiText-2 from the
Hugging Face hub. Where one fails, its exact last words are the result.
Source: https://microsoft.github.io/Olive/reference/cli.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from _lib.bench import Bench
from _lib.candidate import Candidate
from burnish.core.errors import BurnishError

FILE = "model.onnx"
_WANTED = ("olive-ai", "onnxruntime", "requests", "datasets", "tabulate")
_COMMANDS = ("auto-opt", "optimize")
_TIMEOUT_S = 1200


def peers(bench: Bench, source: Path) -> list[Candidate]:
    """One candidate per command; `source` is the folder with the ONNX export."""
    found = []
    for command in _COMMANDS:

        def build(folder: Path, command: str = command) -> None:
            _run(bench, command, source / FILE, folder / FILE)

        label = f"olive {command} int8"
        made = bench.peer(label, "olive", "onnxruntime", build, {"command": command}, int8=True)
        made.notes["versions"] = _versions(bench)
        found.append(made)
    return found


def _environment(bench: Bench) -> Path:
    """The environment's folder, installed at the first call; environments cannot be moved."""
    folder = bench.root / "olive"
    ready = folder / "ready"
    if not ready.exists():
        bench.progress.say("installing Olive into an environment of its own")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _call([sys.executable, "-m", "venv", str(folder)])
        _call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *_WANTED])
        ready.touch()
    return folder


def _versions(bench: Bench) -> dict[str, str]:
    python = bench.root / "olive" / "bin" / "python"
    if not python.exists():
        return {}
    code = "import importlib.metadata as m\nfor n in ('olive-ai', 'onnxruntime', 'onnx'): print(n, m.version(n))"
    lines = _call([str(python), "-c", code]).splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)


def _run(bench: Bench, command: str, source: Path, target: Path) -> None:
    olive = _environment(bench) / "bin" / "olive"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        shutil.copy(source, work / FILE)
        words = [str(olive), command, "-m", FILE, "--device", "cpu", "--precision", "int8"]
        told = _call([*words, "-o", "out", "--disable_telemetry"], cwd=work)
        made = sorted((work / "out").rglob("*.onnx"))
        if not made:
            raise BurnishError(f"olive {command} ended with code 0 but wrote no model", why=_last_words(told))
        shutil.copy(made[0], target)


def _call(words: list[str], cwd: Path | None = None) -> str:
    """Run a program; its output. Raises `BurnishError` with its last lines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise BurnishError(f"{Path(words[0]).name} ran longer than {_TIMEOUT_S} s") from None
    if done.returncode:
        raise BurnishError(f"exit code {done.returncode}", why=_last_words(done.stdout + done.stderr))
    return done.stdout + done.stderr


def _last_words(told: str) -> str:
    """Lines that name an error, else the last lines."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "[ERROR]" in line]
    return " | ".join((errors or lines)[-3:])[:1000]
