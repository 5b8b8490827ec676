"""An exported model as two plain files, read back without running anything that lies in them.

`torch.export.load` unpickles parts of its archive, evaluates text as expressions and resolves any
dotted name below `torch`; a prepared file can run any code. So the graph is kept here as
`graph.json` (nodes of one ATen graph, in order) and `weights.npz` (raw arrays as they lie in memory;
`orders` names the dimensions of those with channels last). Reading accepts operators of
`torch.ops.aten`, a short list of scalar functions, and nothing else.

A node is `{"op", "args", "kwargs"}`; `op` is a placeholder's or weight's name, or a function's.
Arguments are JSON; what JSON lacks is a one-key object: `{"node": 3}`, `{"dtype": "float32"}`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch

GRAPH_FILE = "graph.json"
WEIGHTS_FILE = "weights.npz"
VERSION = 2
READABLE = (1, 2)
"""Version 1 knows no `orders`."""

SCALARS: dict[str, Callable[..., Any]] = {
    f"{home.__name__.strip('_')}.{name}": getattr(home, name)
    for home, names in (
        (operator, "add sub mul truediv floordiv mod pow neg pos eq ne lt le gt ge and_ or_ not_ getitem"),
        (math, "ceil floor trunc sqrt"),
        (torch, "sym_max sym_min sym_not sym_int sym_float sym_ite"),
    )
    for name in names.split()
}
CONSTANTS: dict[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}
CHANNELS_LAST = {torch.channels_last: (0, 2, 3, 1), torch.channels_last_3d: (0, 2, 3, 4, 1)}
"""Layouts of weights that are kept, because operators choose their kernels and their output's layout by them."""
