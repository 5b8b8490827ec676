"""The training of a case as one writes it in plain torch: no more than the settings ask for."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from _lib.training.cases import Case
from burnish.data.order import mix_seed
from burnish.train.settings import FitSettings


def train(module: nn.Module, case: Case, seed: int) -> list[float]:
    """The loss of every step, on the processor in fp32.

    Rows come in the order that a run of ours has, and are augmented with the same random numbers. Where nothing is
    augmented all rows are made ready once and kept as floats.
    """
    split, settings = case.split, case.settings
    assert split.prepare is not None and settings.schedule == "one-cycle"
    pixels, labels = torch.from_numpy(split.inputs["image"]), torch.from_numpy(split.targets)
    pixels = pixels.clone(memory_format=torch.contiguous_format)  # with one channel the strides may say something else
    ready = None if split.augment else split.prepare({"image": pixels})["image"]
    params = list(module.parameters())
    groups = [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    else:
        momentum = settings.momentum
        optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=momentum, nesterov=True, fused=True)
    per_epoch = split.num_batches(settings.batch_size)
    total = round(settings.epochs * per_epoch)
    losses = []
    module.train()
    for step in range(total):
        epoch, index = divmod(step, per_epoch)
        if index == 0:
            order = [torch.from_numpy(rows) for rows in split.order(settings.batch_size, seed=seed, epoch=epoch)]
        rows = order[index]
        if split.augment is not None:
            generator = torch.Generator().manual_seed(mix_seed(seed, epoch, index))
            image = split.prepare(split.augment({"image": pixels[rows]}, generator))["image"]
        else:
            assert ready is not None
            image = ready[rows]
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(module(image), labels[rows])
        loss.backward()
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(params, settings.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate(settings, step, total)
        optimizer.step()
        losses.append(loss.item())
    return losses


def rate(settings: FitSettings, step: int, total: int) -> float:
    """One cycle: from a 25th of the peak up, then down to zero, both along a cosine."""
    rising = round(settings.warmup * total)
    if step < rising:
        part = 1 - (step + 1) / (rising + 1)
        return settings.learning_rate * (1 / 25 + (1 - 1 / 25) * ((1 + math.cos(math.pi * part)) / 2))
    part = (step - rising) / (total - rising)
    return settings.learning_rate * ((1 + math.cos(math.pi * part)) / 2)
