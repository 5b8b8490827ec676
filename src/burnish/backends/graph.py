"""An exported model as two plain files, read back without running anything that lies in them.

`torch.export.load` unpickles parts of its archive, evaluates text as expressions and resolves any
dotted name below `torch`; a prepared file can run any code. So the graph is kept here as
`graph.json` (nodes of one ATen graph, in order) and `weights.npz` (raw arrays). Reading accepts
operators of `torch.ops.aten`, a short list of scalar functions, and nothing else.

A node is `{"op", "args", "kwargs"}`; `op` is a placeholder's or weight's name, or a function's.
Arguments are JSON; what JSON lacks is a one-key object: `{"node": 3}`, `{"dtype": "float32"}`.
"""

from __future__ import annotations

import functools
import json
import keyword
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from burnish.core.errors import ArtifactError, Unsupported

GRAPH_FILE = "graph.json"
WEIGHTS_FILE = "weights.npz"
VERSION = 1

_SCALARS: dict[str, Callable[..., Any]] = {
    f"{home.__name__.strip('_')}.{name}": getattr(home, name)
    for home, names in (
        (operator, "add sub mul truediv floordiv mod pow neg pos eq ne lt le gt ge and_ or_ not_ getitem"),
        (math, "ceil floor trunc sqrt"),
        (torch, "sym_max sym_min sym_not sym_int sym_float sym_ite"),
    )
    for name in names.split()
}
_SCALAR_NAMES = {function: name for name, function in _SCALARS.items()}
_FORBIDDEN = {"from_file", "_print"}
_CONSTANTS: dict[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}
_RAW = {torch.bfloat16: torch.int16}


def write_graph(exported: ExportedProgram, folder: Path) -> None:
    """Write an exported program to `graph.json` and `weights.npz` in `folder`.

    Raises `Unsupported` on an operator outside ATen.
    """
    module = exported.module(check_guards=False)
    _inline_full_precision(module)
    writer = _Writer(module)
    nodes = [writer.encode_node(node) for node in module.graph.nodes]
    text = json.dumps({"version": VERSION, "nodes": nodes, "dtypes": writer.dtypes})
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
        for kind, cls in _CONSTANTS.items():
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
            raw = tensor.contiguous()
            self.arrays[name] = raw.view(_RAW.get(raw.dtype, raw.dtype)).numpy()
        return self._seen[key]


def _last_line(node: fx.Node) -> str:
    trace = node.stack_trace or ""
    files = [line.strip() for line in trace.splitlines() if line.strip().startswith("File ")]
    return files[-1] if files else node.name


def read_graph(folder: Path) -> fx.GraphModule:
    """Build the module back. It takes inputs by name and returns a tuple of tensors.

    Raises `ArtifactError` on a file that is incomplete, of another version, or names anything but
    a known operator.
    """
    where = str(folder / GRAPH_FILE)
    try:
        data = json.loads((folder / GRAPH_FILE).read_text())
        if data["version"] != VERSION:
            raise ArtifactError(f"version {data['version']} of the graph, expected {VERSION}", where=where)
        with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as arrays:
            weights = {name: _tensor(arrays[name], dtype) for name, dtype in data["dtypes"].items()}
        return _assemble(data["nodes"], weights)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError("cannot read the exported graph", where=where, why=str(error)) from error


def _assemble(rows: list[dict[str, Any]], weights: dict[str, Tensor]) -> fx.GraphModule:
    root, graph, nodes = nn.Module(), fx.Graph(), list[fx.Node]()
    for row in rows:
        if "input" in row:
            name = row["input"]
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"{name!r} is no name for an input")
            nodes.append(graph.placeholder(name))
        elif "weight" in row:
            index = list(weights).index(row["weight"])
            root.register_buffer(f"weight_{index}", weights[row["weight"]])
            nodes.append(graph.get_attr(f"weight_{index}"))
        elif "output" in row:
            outputs = _decode(row["output"], nodes)
            nodes.append(graph.output(tuple(outputs)))
        else:
            args = tuple(_decode(arg, nodes) for arg in row["args"])
            kwargs = {key: _decode(arg, nodes) for key, arg in row["kwargs"].items()}
            if not all(key.isidentifier() for key in kwargs):
                raise ValueError("an argument's name is no identifier")
            nodes.append(graph.call_function(_find(row["op"]), args, kwargs))
    graph.lint()
    return fx.GraphModule(root, graph)


def _find(name: str) -> Callable[..., Any]:
    if name in _SCALARS:
        return _SCALARS[name]
    namespace, _, rest = name.partition(".")
    packet, _, overload = rest.partition(".")
    if namespace != "aten" or packet in _FORBIDDEN or not packet.isidentifier() or not overload.isidentifier():
        raise ValueError(f"the operator {name!r} is not allowed")
    found = getattr(getattr(torch.ops.aten, packet), overload)
    if not isinstance(found, torch._ops.OpOverload):
        raise ValueError(f"the operator {name!r} is not allowed")
    return found


def _decode(value: Any, nodes: list[fx.Node]) -> Any:
    if isinstance(value, list):
        return [_decode(item, nodes) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, name),) = value.items()
    if kind == "node":
        return nodes[name]
    if kind == "device":
        return torch.device(name)
    found = getattr(torch, name)
    if not isinstance(found, _CONSTANTS[kind]):
        raise ValueError(f"{name!r} is no {kind}")
    return found


def _tensor(array: Any, dtype: str) -> Tensor:
    kind = getattr(torch, dtype)
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{dtype!r} is no dtype")
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape)).view(kind)
