"""Steps in fp32 and under bf16 autocast, side by side, beside what `auto` takes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch

from _lib.bars import Bar
from _lib.training.cases import CASES
from burnish.core.progress import Progress
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.precision import Name, choose_precision
from burnish.train.trial import StepTrial

_BATCH = 32
"""Without instructions for it, bf16 takes ten times as long: so much of a large batch is not worth the wait."""
_FORMATS: tuple[Name, Name] = ("fp32", "bf16")


def precision_bars(rounds: int, threads: int, found: dict[str, Any], say: Progress) -> list[Bar]:
    """Two bars for each model: what `auto` takes on this machine, and what it takes where it tries both formats.

    The choice is made first; then the rounds that judge it are measured anew.
    """
    torch.set_num_threads(threads)
    device, bars = torch.device("cpu"), []
    for key in ("small-resnet", "encoder", "resnet"):
        case = CASES[key]()
        trial = StepTrial(
            module=case.fresh(),
            split=case.split,
            objective=task(cross_entropy()),
            settings=case.settings.model_copy(update={"batch_size": _BATCH}),
            seed=0,
            device=device,
        )
        here = choose_precision("auto", device, trial)
        tried = choose_precision("auto", device, trial, isa=("amx_bf16",))
        seconds: dict[Name, list[float]] = {name: [] for name in _FORMATS}
        while len(seconds["fp32"]) < rounds:
            for name, more in trial(_FORMATS).items():
                seconds[name] += more
        for choice, what in ((here, "auto"), (tried, "auto after a trial")):
            bars.append(_bar(f"{case.name}: {what} against the other format", choice.name, choice.reason, seconds))
        found[f"{case.name}, seconds"] = seconds
        ratio = statistics.median(_ratios(seconds["fp32"], seconds["bf16"]))
        say.say(f"{case.name}: bf16 {ratio:.2f}x as fast as fp32; {here.reason}; {tried.reason}")
    return bars


def _bar(name: str, chosen: Name, reason: str, seconds: dict[Name, list[float]]) -> Bar:
    other = next(item for item in _FORMATS if item != chosen)
    slower = _ratios(seconds[chosen], seconds[other])
    low, _, high = statistics.quantiles(slower, n=4)
    value = statistics.median(slower)
    return Bar(name=name, value=value, unit="x the time", low=low, high=high, bar=1.03, least=False, note=reason)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]
