"""Which optimizer `auto` is, by the model's size and the memory there is, and which learning rate it gets.

AdamW where its state fits beside parameters, gradients and activations, else Lion, else Adafactor. More sharding comes
before another optimizer, since it changes no result. Best weights, averages and checkpoints are copies on top, which
are not counted.

The learning rate is AdamW's whatever is taken. Lion gets a third of it and three times the weight decay, the mild end
of what its paper gives (3 to 10, Chen et al., NeurIPS 2023). Adafactor's rate is relative to the size of the weights
(Shazeer & Stern, 2018), so it gets AdamW's over their root mean square, which makes steps of AdamW's size.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from burnish.core.errors import RecipeError
from burnish.core.noun import Noun
from burnish.data.split import Split
from burnish.train.kept import Kept
from burnish.train.memory import model_size
from burnish.train.optimizer import trainable_by_kind
from burnish.train.planner import plans, rank_activations, rank_room, runnable
from burnish.train.ranks import Ranks
from burnish.train.settings import AUTO, FitSettings

CANDIDATES = ("adamw", "lion", "adafactor")
"""Most state first."""

_LION = 3.0
_SAME_RATE = ("adamw", "muon", AUTO)
"""Optimizers whose learning rate is of the size of AdamW's."""


class Advice(Noun):
    """The optimizer that `auto` is, and why."""

    optimizer: str
    reason: str


def advise(
    module: nn.Module, *, devices: int, room_bytes: float, activations: float | None, strategy: str = "auto"
) -> Advice:
    """The first candidate that fits into `room_bytes` a rank under some strategy, or under the one that is named.

    Where none does, the one that needs least. `module` may be on the meta device; activations are left out where they
    are None.
    """
    needs: dict[str, float] = {}
    for name in CANDIDATES:
        rows = plans(model_size(module, name), devices=devices, activations=activations)
        asked = [row for row in rows if row.strategy == strategy] or rows  # those of an extra tell no bytes
        totals = [row.total for row in runnable(asked, name)]
        if not totals:
            continue
        needs[name] = min(totals)
        if needs[name] <= room_bytes:
            break
    chosen = min(needs, key=lambda name: needs[name])
    told = ", ".join(f"{name} needs {_size(total)}" for name, total in needs.items())
    why = "" if needs[chosen] <= room_bytes else "needs least, and nothing fits; "
    return Advice(optimizer=chosen, reason=f"{chosen}: {why}{told} of {_size(room_bytes)}")


def resolve(
    settings: FitSettings, module: nn.Module, split: Split, *, ranks: Ranks, device: torch.device, kept: Kept
) -> tuple[FitSettings, str]:
    """The settings with an optimizer that is one, its rate and decay; and why, empty where one was asked for.

    All ranks call this; the first one's answer counts.
    """
    if settings.optimizer != AUTO:
        return settings, ""
    found = kept.read() if ranks.first else None
    advice = None if found is None else Advice.parse(found)
    if not ranks.text("known" if advice else ""):
        room = rank_room(ranks, module, device)
        activations = rank_activations(settings, ranks, module, split)
        advice = advise(
            module, devices=ranks.world, room_bytes=room, activations=activations, strategy=settings.strategy
        )
        if ranks.first:
            kept.write(advice.model_dump())
    chosen = Advice.from_json(ranks.text(advice.to_json() if advice else ""))
    tuned = tune(settings, chosen.optimizer, module)
    rates = f"learning rate {settings.learning_rate:.3g}, meant for adamw, is {tuned.learning_rate:.3g} here"
    return tuned, chosen.reason if chosen.optimizer == "adamw" else f"{chosen.reason}; {rates}"


def tune(settings: FitSettings, optimizer: str, module: nn.Module) -> FitSettings:
    """Settings meant for AdamW, for one of the candidates; what a step decays stays the same."""
    factor = {"adamw": 1.0, "lion": 1 / _LION}.get(optimizer) or 1 / _mean_size(module)
    rate, decay = settings.learning_rate * factor, settings.weight_decay / factor
    return settings.model_copy(update={"optimizer": optimizer, "learning_rate": rate, "weight_decay": decay})


def refuse_rate(told: float | None, base: FitSettings) -> None:
    """Raises `RecipeError` where `auto` would take another optimizer's learning rate for AdamW's."""
    if told is None and base.optimizer not in _SAME_RATE:
        raise RecipeError(
            "optimizer: auto takes the learning rate as AdamW's",
            where="optimizer",
            why=f"the workload's learning rate of {base.learning_rate:g} is meant for {base.optimizer}",
            help="set learning_rate, too",
        )


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.2f} MB"


def _mean_size(module: nn.Module) -> float:
    """Root mean square of what is trained, without biases and norms; 1 where that is nothing."""
    weights = [
        param.detach() for kind, params in trainable_by_kind(module).items() if kind != "vector" for param in params
    ]
    count = sum(weight.numel() for weight in weights)
    whole = math.fsum(float(weight.double().square().sum()) for weight in weights)
    return math.sqrt(whole / count) if whole else 1.0
