"""Reading a graph back: nothing in its files is run, and only known operators are accepted."""

from __future__ import annotations

import json
import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from burnish.backends.graph.format import CHANNELS_LAST, CONSTANTS, GRAPH_FILE, READABLE, SCALARS, WEIGHTS_FILE
from burnish.core.errors import ArtifactError

_FORBIDDEN = {"from_file", "_print"}


def read_graph(folder: Path) -> fx.GraphModule:
    """Build the module back. It takes inputs by name and returns a tuple of tensors.

    Raises `ArtifactError` on a file that is incomplete, of another version, or names anything but
    a known operator.
    """
    where = str(folder / GRAPH_FILE)
    try:
        data = json.loads((folder / GRAPH_FILE).read_text())
        if data["version"] not in READABLE:
            raise ArtifactError(f"version {data['version']} of the graph, expected one of {READABLE}", where=where)
        with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as arrays:
            weights = {name: _tensor(arrays[name], dtype) for name, dtype in data["dtypes"].items()}
        for name, order in data.get("orders", {}).items():
            weights[name] = _ordered(weights[name], tuple(order))
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
    if name in SCALARS:
        return SCALARS[name]
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
    if not isinstance(found, CONSTANTS[kind]):
        raise ValueError(f"{name!r} is no {kind}")
    return found


def _tensor(array: Any, dtype: str) -> Tensor:
    kind = getattr(torch, dtype)
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{dtype!r} is no dtype")
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape)).view(kind)


def _ordered(tensor: Tensor, order: tuple[int, ...]) -> Tensor:
    if order not in CHANNELS_LAST.values() or len(order) != tensor.dim():
        raise ValueError(f"{order} is no order of {tensor.dim()} dimensions")
    return tensor.permute([order.index(dim) for dim in range(len(order))])
