"""PyTorch's own ways: the module in eager mode, under bf16 autocast, and through torch.compile."""

from __future__ import annotations

from typing import Any

from torch import nn

from _lib.bench import Bench
from _lib.candidate import BASE, MODULE, Candidate
from burnish.core.machine import fingerprint

_BF16 = {"avx512_bf16", "amx_bf16", "sve"}
"""Instruction sets that multiply bf16."""


def peers(bench: Bench) -> list[Candidate]:
    """The base first, then the other forms."""
    folder = bench.module_folder()
    rows: list[tuple[str, str, str, dict[str, Any]]] = [(BASE, "eager", "base", {"mode": "eager"})]
    if any(isinstance(part, nn.Conv2d) for part in bench.base.module.modules()):
        rows += [
            (f"{BASE}, {layout.replace('_', ' ')}", "eager", "eager-fp32", {"mode": "eager", "layout": layout})
            for layout in ("contiguous", "channels_last")
        ]
    rows += [
        ("eager bf16 autocast", "eager bf16", "peer", {"mode": "eager", "bf16": True}),
        ("inductor", "inductor", "peer", {"mode": "compile"}),
        ("inductor freezing", "inductor", "peer", {"mode": "compile", "freezing": True}),
        ("inductor bf16 autocast", "inductor", "peer", {"mode": "compile", "bf16": True}),
        ("inductor freezing bf16 autocast", "inductor", "peer", {"mode": "compile", "freezing": True, "bf16": True}),
    ]
    if not _BF16 & set(fingerprint().isa):  # emulated bf16 takes minutes where fp32 takes seconds
        rows = [row for row in rows if not row[3].get("bf16")]
    return [
        Candidate(
            label=label,
            family=family,
            kind=kind,
            backend=MODULE,
            folder=folder,
            options=options,
            size_bytes=bench.base_bytes,
        )
        for label, family, kind, options in rows
    ]
