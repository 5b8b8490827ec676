"""Strategies on gloo ranks: gradients beside one process, bytes a rank holds, and what `burnish plan` said of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import burnish
from _lib.bars import Bar
from _lib.training.cases import CASES, PLANS
from burnish.core.errors import ServiceError
from burnish.core.progress import Progress

_CHILD = Path(__file__).with_name("rank_child.py")
_MOST = 4
STRATEGIES = ("ddp", "zero1", "zero2", "zero3")
Found = Mapping[str, Any]


def rank_bars(found: dict[str, Any], say: Progress) -> list[Bar]:
    """Gradients of each strategy on 1, 2 and 4 ranks, and the state that a rank of four holds."""
    worlds = {world: _launch(world, ["encoder"], say) for world in (1, 2, _MOST)}
    found["ranks"] = worlds
    bars = []
    for strategy in STRATEGIES:
        off = {world: rows[f"encoder {strategy}"]["gradients"] for world, rows in worlds.items()}
        bars.append(
            Bar(
                name=f"{strategy}: gradients beside one process",
                value=max(off.values()) * 1e6,
                unit="millionths",
                bar=1,
                least=False,
                note=", ".join(f"{world} ranks {1e6 * value:.2g}" for world, value in off.items()),
            )
        )
    held = {name: sum(worlds[_MOST][f"encoder {name}"]["bytes"].values()) for name in STRATEGIES}
    note = ", ".join(f"{name} {100 * value / held['ddp']:.1f} %" for name, value in held.items())
    share = 100 * held["zero3"] / held["ddp"]
    return [
        *bars,
        Bar(name="zero3: state of a rank of 4", value=share, unit="% of ddp's", bar=27, least=False, note=note),
    ]


def plan_bars(found: dict[str, Any], say: Progress) -> list[Bar]:
    """The largest error of a prediction for a rank of four, per model and strategy, and that of the activations."""
    measured = _launch(_MOST, list(PLANS), say)
    bars = []
    for key, target in PLANS.items():
        told, name = _plan(target), CASES[key]().name
        for row in told["plans"]:
            held = measured[f"{key} {row['strategy']}"]["bytes"]
            off = {part: _error(row["state"][part], value) for part, value in held.items()}
            bars.append(_error_bar(f"{name}, {row['strategy']}: predicted state", off))
        off = {"activations": _error(told["plans"][0]["activations"], measured[f"{key} activations"])}
        bars.append(_error_bar(f"{name}: predicted activations", off))
        found[f"plan of {name}"] = told
    found["measured on 4 ranks"] = measured
    return bars


def _error(predicted: float, measured: float) -> float:
    return 100 * (predicted - measured) / measured


def _error_bar(name: str, off: Mapping[str, float]) -> Bar:
    note = ", ".join(f"{part} {value:+.2f} %" for part, value in off.items())
    worst = max(map(abs, off.values()))
    return Bar(name=name, value=worst, unit="% off", bar=10, least=False, note=note)


def _launch(world: int, cases: Sequence[str], say: Progress) -> Found:
    """What the ranks found."""
    with tempfile.TemporaryDirectory(prefix="burnish-ranks-") as folder:
        file = Path(folder) / "found.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        _run([*command, str(_CHILD), str(file), *cases])
        say.say(f"{world} ranks: {', '.join(cases)}")
        found: Found = json.loads(file.read_text())
        return found


def _plan(target: str) -> Found:
    """The last line of `burnish plan`."""
    text = _run([sys.executable, "-m", "burnish", "plan", target, "--devices", str(_MOST)])
    found: Found = json.loads(text.splitlines()[-1])
    return found


def _run(command: Sequence[str]) -> str:
    paths = [str(Path(burnish.__file__).parents[1]), str(_CHILD.parents[2])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError("a part of the benchmark failed", where=" ".join(command[1:4]), why=done.stderr[-1500:])
    return done.stdout
