"""What the ledger says beside the measurements: layers before and after, the commit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from torch import nn

from burnish.core.evidence import Evidence, LayerRow
from burnish.model.replay import replay
from burnish.model.variant import Variant


def layer_rows(base: Variant, final: Variant, evidence: Sequence[Evidence], precision: str) -> tuple[LayerRow, ...]:
    """Width, parameters and precision of every layer with a weight matrix, before and after."""
    kept = {row.pass_name: row for row in evidence if row.verdict == "kept"}
    in_int8 = {change.where for change in kept["quantize"].changes} if final.precision == "int8" else set()
    after = dict(final.module.named_modules())
    apart = [entry for entry in final.records if entry.kind == "attention"]
    before = replay(base.copy().module, apart).module if apart else base.module
    rows = []
    for name, part in before.named_modules():
        weight = part._parameters.get("weight")
        if weight is None or weight.dim() < 2 or name not in after:
            continue
        new = after[name]._parameters.get("weight")
        transposed = isinstance(part, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        axis = 1 if transposed or isinstance(part, nn.Embedding) else 0
        rows.append(
            LayerRow(
                name=name,
                kind=type(part).__name__,
                width_before=weight.shape[axis],
                width_after=0 if new is None else new.shape[axis],
                precision="int8" if name in in_int8 else precision,
                parameters_before=weight.numel(),
                parameters_after=0 if new is None else new.numel(),
            )
        )
    return tuple(rows)


def commit() -> str:
    """The checkout this run was started in, as git describes it; "" outside of one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
