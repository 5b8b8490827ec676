"""Writing an exported program as a graph of known operators."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from burnish.backends.graph.format import CHANNELS_LAST, CONSTANTS, GRAPH_FILE, SCALARS, VERSION, WEIGHTS_FILE
from burnish.core.errors import Unsupported

_SCALAR_NAMES = {function: name for name, function in SCALARS.items()}
_RAW = {torch.bfloat16: torch.int16}


def write_graph(exported: ExportedProgram, folder: Path) -> None:
    """Write an exported program to `graph.json` and `weights.npz` in `folder`.

    Raises `Unsupported` on an operator outside ATen.
    """
    module = exported.module(check_guards=False)
    _inline_full_precision(module)
    writer = _Writer(module)
    nodes = [writer.encode_node(node) for node in module.graph.nodes]
    text = json.dumps({"version": VERSION, "nodes": nodes, "dtypes": writer.dtypes, "orders": writer.orders})
    (folder / GRAPH_FILE).write_text(text)
    np.savez(folder / WEIGHTS_FILE, allow_pickle=False, **writer.arrays)


def _inline_full_precision(module: fx.GraphModule) -> None:
    """Regions under `autocast(enabled=False)` are sub-graphs: put their nodes where they are called.

    Nothing is cast outside them, so they need no region of their own.
    """
    graph = module.graph
    for call in graph.find_nodes(op="call_function", target=torch.ops.higher_order.wrap_with_autocast):
        _, _, enabled, _, inner, *inputs = call.args
        if enabled or not isinstance(inner, fx.Node):
            raise Unsupported("the model casts by itself, under torch.autocast", where=_last_line(call))
        body = getattr(module, str(inner.target)).graph
        places = dict(zip(body.find_nodes(op="placeholder"), inputs, strict=True))
        with graph.inserting_before(call):
            outputs: Any = graph.graph_copy(body, places)
        for item in list(call.users):
            item.replace_all_uses_with(outputs[item.args[1]])
            graph.erase_node(item)
        for node in (call, inner):
            graph.erase_node(node)


class _Writer:
    """Numbers the nodes and gathers the weights while a graph is written."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.index: dict[fx.Node, int] = {}
        self.arrays: dict[str, Any] = {}
        self.dtypes: dict[str, str] = {}
        self.orders: dict[str, tuple[int, ...]] = {}
        self._seen: dict[tuple[Any, ...], str] = {}

    def encode_node(self, node: fx.Node) -> dict[str, Any]:
        self.index[node] = len(self.index)
        if node.op == "placeholder":
            return {"input": str(node.target)}
        if node.op == "get_attr":
            return {"weight": self._store(str(node.target))}
        if node.op == "output":
            return {"output": self.encode(node.args[0])}
        return {
            "op": self._function(node),
            "args": [self.encode(arg) for arg in node.args],
            "kwargs": {key: self.encode(arg) for key, arg in node.kwargs.items()},
        }

    def encode(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            return {"node": self.index[value]}
        if isinstance(value, (list, tuple)):
            return [self.encode(item) for item in value]
        if isinstance(value, torch.device):
            return {"device": value.type}
        for kind, cls in CONSTANTS.items():
            if isinstance(value, cls):
                return {kind: str(value).removeprefix("torch.")}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise Unsupported(f"an argument of the type {type(value).__name__} cannot be written")

    def _function(self, node: fx.Node) -> str:
        target = node.target
        if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
            return str(target)
        if callable(target) and target in _SCALAR_NAMES:
            return _SCALAR_NAMES[target]
        raise Unsupported(
            f"the model uses the operator {target}",
            where=_last_line(node),
            why="only ATen operators can be written to a file that is safe to load",
            help="use the onnxruntime or the openvino backend",
        )

    def _store(self, path: str) -> str:
        tensor = functools.reduce(getattr, path.split("."), self.module)
        if not isinstance(tensor, Tensor):
            raise Unsupported(f"the model holds a {type(tensor).__name__} in its graph", where=path)
        tensor = tensor.detach().cpu()
        key = (tensor.data_ptr() or path, tensor.dtype, tensor.shape, tensor.stride())
        if key not in self._seen:
            name = self._seen[key] = f"w{len(self.arrays)}"
            self.dtypes[name] = str(tensor.dtype).removeprefix("torch.")
            order = _order(tensor)
            if order:
                self.orders[name] = order
                tensor = tensor.permute(order)
            raw = tensor.contiguous()
            self.arrays[name] = raw.view(_RAW.get(raw.dtype, raw.dtype)).numpy()
        return self._seen[key]


def _order(tensor: Tensor) -> tuple[int, ...]:
    """The dimensions as they lie in memory where channels come last; empty where they lie as they are counted."""
    for layout, order in CHANNELS_LAST.items():
        if tensor.dim() == len(order) and tensor.is_contiguous(memory_format=layout):
            plain = torch.empty(tensor.shape, device="meta").stride()
            return () if tensor.stride() == plain else order
    return ()


def _last_line(node: fx.Node) -> str:
    trace = node.stack_trace or ""
    files = [line.strip() for line in trace.splitlines() if line.strip().startswith("File ")]
    return files[-1] if files else node.name
