"""`burnish plan`: what a training holds in memory under each strategy; the least sharding and optimizer that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from burnish.cli.terminal.console import print_note, print_rows
from burnish.core.errors import RecipeError, Unsupported
from burnish.train.advisor import advise
from burnish.train.memory import model_size
from burnish.train.planner import activation_bytes, least, on_meta, plans, runnable
from burnish.train.settings import AUTO
from burnish.workloads._transformers import empty_model
from burnish.workloads.registry import get

_UNITS = {"MB": 1e6, "GB": 1e9, "TB": 1e12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def plan(
    target: str,
    *,
    devices: int,
    memory: str,
    optimizer: str | None,
    batch_size: int | None,
    length: int,
    data: str | None,
) -> None:
    """Body of the command; the last line is one JSON document. Raises `BurnishError`."""
    room = parse_bytes(memory)
    module, inputs, optimizer = _open(target, optimizer, -(-(batch_size or 0) // devices), devices, length, data)
    try:
        activations: float | None = activation_bytes(module, inputs)
    except Unsupported as error:
        activations = None
        print_note(f"without activations: {error.why}")
    advice = advise(module, devices=devices, room_bytes=room, activations=activations)
    print_note(f"optimizer: auto takes {advice.reason}")
    optimizer = advice.optimizer if optimizer == AUTO else optimizer
    size = model_size(module, optimizer)
    rows = plans(size, devices=devices, activations=activations)
    chosen = least(runnable(rows, optimizer), room)
    unit = "GiB" if max(row.total for row in rows) >= _UNITS["GiB"] else "MiB"
    cells = []
    for row in rows:
        state = row.state
        parts = (state.parameters, state.gradients, state.optimizer, state.gathered, activations, row.total)
        can = row in runnable([row], optimizer)
        fits = "chosen" if row is chosen else "no" if row.total > room else "yes" if can else f"not with {optimizer}"
        cells.append((row.strategy, *("-" if part is None else f"{part / _UNITS[unit]:.2f}" for part in parts), fits))
    columns = ("strategy", "parameters", "gradients", "optimizer", "gathered", "activations", f"{unit} a rank", "fits")
    each = f"{devices} devices of {memory}, {len(next(iter(inputs.values())))} rows each"
    title = f"{size.parameters / 1e6:.1f} million parameters, {optimizer}, {each}"
    print_rows(columns, cells, title=title)
    if chosen is None:
        print_note(f"nothing fits into {memory}: take more devices, fewer rows, or an optimizer with less state")
    found = [row.model_dump() | {"total": row.total} for row in rows]
    told = {"parameters": size.parameters, "optimizer": optimizer, "auto": advice.model_dump()}
    print(json.dumps(told | {"chosen": chosen and chosen.strategy, "plans": found}))


def parse_bytes(text: str) -> float:
    """`24GiB` as a number. Raises `RecipeError`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(\w+)", text.strip())
    if found is None or found[2] not in _UNITS:
        raise RecipeError(f"{text!r} is no amount of memory", where="--memory", help="write 24GiB or 80GB")
    return float(found[1]) * _UNITS[found[2]]


def _open(
    target: str, optimizer: str | None, rows: int, devices: int, length: int, data: str | None
) -> tuple[nn.Module, Mapping[str, Tensor], str]:
    """The model on the meta device, one rank's inputs, and the optimizer."""
    path = Path(target)
    config = path if path.suffix == ".json" else path / "config.json"
    if config.is_file() and data is None:
        ids = torch.empty(rows or 1, length, dtype=torch.int64, device="meta")
        mask = torch.empty(rows or 1, 1, length, length, device="meta")  # a mask of two dimensions would be looked into
        return empty_model(config), {"input_ids": ids, "attention_mask": mask}, optimizer or "adamw"
    work = get(target, **({"data": data} if data else {}))
    count = min(len(work.train), rows or -(-work.fit.batch_size // devices))
    return on_meta(work.build()), work.train.batch(np.arange(count)).inputs, optimizer or work.fit.optimizer
