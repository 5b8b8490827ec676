"""Lion and Adafactor against their papers, written out, and the bytes that optimizers keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from _lib.bars import Bar
from _lib.training.cases import CASES, Case
from burnish.core.progress import Progress
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.optimizer import build_optimizer, optimizer_state

_STEPS = 60
_SHARES = {"lion": 50.0, "adafactor": 5.0}
Update = Callable[[Tensor, float], None]
"""Gradient and weight decay -> a change of the parameter in place."""


def lion(param: Tensor, rate: float) -> Update:
    """Algorithm 2 of Chen et al. 2023, with decay 0.9 of the update and 0.99 of the momentum."""
    momentum = torch.zeros_like(param)

    def update(grad: Tensor, decay: float) -> None:
        direction = torch.sign(0.9 * momentum + 0.1 * grad)
        param.sub_(rate * (direction + decay * param))
        momentum.copy_(0.99 * momentum + 0.01 * grad)

    return update


def adafactor(param: Tensor, rate: float) -> Update:
    """Algorithms 4 and 5 of Shazeer & Stern 2018 with relative steps, of matrices and vectors, decay decoupled.

    Decay of the second moments is 1 - t^-0.8, updates are clipped at a root mean square of 1. The squared gradients
    have no floor of their own; the moments have, as in torch.
    """
    tiny, floor, time = torch.finfo(torch.float32).eps, 1e-3, 0
    rows, columns = torch.zeros_like(param[..., :1]), torch.zeros_like(param[:1])
    whole = torch.zeros_like(param)

    def update(grad: Tensor, decay: float) -> None:
        nonlocal time
        time += 1
        keep = 1 - time**-0.8
        step = min(rate, time**-0.5) * max(floor, float(param.square().mean().sqrt()))
        param.mul_(1 - rate * decay)
        square = grad.square()
        if param.dim() == 2:
            rows.mul_(keep).add_((1 - keep) * square.mean(1, keepdim=True))
            columns.mul_(keep).add_((1 - keep) * square.mean(0, keepdim=True))
            second = rows * columns / rows.mean().clamp(min=tiny)
        else:
            second = whole.mul_(keep).add_((1 - keep) * square)
        change = grad / second.clamp(min=tiny**2).sqrt()
        param.sub_(step * change / max(1.0, float(change.square().mean().sqrt())))

    return update


REFERENCES = {"lion": (lion, 1e-3), "adafactor": (adafactor, 0.05)}


def optimizer_bars(found: dict[str, Any], say: Progress) -> list[Bar]:
    """Two bars for each: distance to its paper on a real training, and its bytes beside AdamW's."""
    bars = []
    adamw = held("adamw")
    for name, (reference, rate) in REFERENCES.items():
        off = distance(name, reference, rate)
        bars.append(
            Bar(
                name=f"{name}: parameters beside the paper's",
                value=1e6 * off,
                unit="millionths",
                bar=1,
                least=False,
                note=f"{_STEPS} steps of a perceptron on digits; the paper's in fp64, on the same gradients",
            )
        )
        share = 100 * held(name) / adamw
        convolutions = 100 * held(name, "small-resnet") / held("adamw", "small-resnet")
        note = f"a transformer; of the digits ResNet {convolutions:.0f} %"
        bars.append(
            Bar(name=f"{name}: state", value=share, unit="% of AdamW's", bar=_SHARES[name], least=False, note=note)
        )
        say.say(f"{name}: {off:.2g} off, {share:.2f} % of AdamW's state")
    found["state bytes"] = {name: held(name) for name in ("adamw", *REFERENCES)}
    return bars


@torch.no_grad()
def distance(name: str, reference: Callable[[Tensor, float], Update], rate: float) -> float:
    """Largest difference of a parameter after a training in which both get the gradients of ours."""
    case = CASES["perceptron"]()
    settings = case.settings.model_copy(update={"optimizer": name, "learning_rate": rate, "weight_decay": 0.1})
    module = case.fresh()
    optimizer = build_optimizer(module, settings)
    decays = [(p, group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]]
    theirs = [param.detach().double() for param, _ in decays]
    updates = [reference(param, rate) for param in theirs]
    for _ in _gradients(case, module, settings.batch_size):
        for update, (param, decay) in zip(updates, decays, strict=True):
            assert param.grad is not None
            update(param.grad.double(), decay)
        optimizer.step()
    return max(float((param - other).abs().max()) for (param, _), other in zip(decays, theirs, strict=True))


def held(name: str, case: str = "encoder") -> int:
    """Bytes of an optimizer's tensors after a step of a model."""
    made = CASES[case]()
    module = made.fresh()
    optimizer = build_optimizer(module, made.settings.model_copy(update={"optimizer": name}))
    next(_gradients(made, module, made.settings.batch_size))
    optimizer.step()
    return sum(tensor.untyped_storage().nbytes() for tensor in optimizer_state(optimizer).values())


def _gradients(case: Case, module: torch.nn.Module, batch_size: int) -> Iterator[int]:
    """New gradients on the module's parameters for every step."""
    objective, done = task(cross_entropy()), 0
    while True:
        for batch in case.split.shuffled(batch_size, seed=0, epoch=done):
            if done == _STEPS:
                return
            module.zero_grad(set_to_none=True)
            with torch.enable_grad():
                objective(module, batch).backward()
            yield done
            done += 1
