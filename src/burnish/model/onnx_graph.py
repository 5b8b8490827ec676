"""An ONNX graph that stands where a module stands: it can be called, copied and stored, not trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.manifest import Record

Arrays = Mapping[str, NDArray[np.generic]]
Open = Callable[[bytes], Callable[[Arrays], dict[str, NDArray[Any]]]]
"""Makes a graph callable: its bytes to a function from inputs by name to all outputs by name."""


class OnnxGraph(nn.Module):
    """`forward` takes one tensor per input by name and gives all outputs in the graph's order.

    The bytes of the graph are the only state: a buffer, so that weights files and content keys
    hold them like any other weights. `open_graph` runs them; a copy opens its own.
    """

    graph: Tensor

    def __init__(self, data: bytes, open_graph: Open) -> None:
        super().__init__()
        self._open = open_graph
        self._run: Callable[[Arrays], dict[str, NDArray[Any]]] | None = None
        self.register_buffer("graph", torch.frombuffer(bytearray(data), dtype=torch.uint8))

    @property
    def data(self) -> bytes:
        """The ONNX file."""
        return self.graph.numpy().tobytes()

    def replaced(self, data: bytes) -> OnnxGraph:
        """Another graph, run the same way."""
        return OnnxGraph(data, self._open)

    def outputs_of(self, data: bytes, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run some other graph once, for a look into it."""
        return self._open(data)(inputs)

    def forward(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        """Opened at the first call."""
        if self._run is None:
            self._run = self._open(self.data)
        found = self._run({name: tensor.numpy() for name, tensor in inputs.items()})
        return tuple(torch.from_numpy(array) for array in found.values())

    def __deepcopy__(self, memo: object) -> OnnxGraph:
        return self.replaced(self.data)


def refuse_graph(module: nn.Module, wanted: str) -> None:
    """Raise `Unsupported` when `module` is an ONNX graph; `wanted` is what it cannot do."""
    if isinstance(module, OnnxGraph):
        raise Unsupported(
            f"an ONNX file cannot be {wanted}",
            help="give the PyTorch model for that; an ONNX file takes `quantize` with method: ptq",
        )


def graph_record(module: OnnxGraph) -> Record:
    """What is needed to load the weights of this graph into the one that a run started from."""
    return Record(kind="onnx-graph", data={"size_bytes": module.graph.numel()})


def replay_graph(module: nn.Module, entry: Record) -> nn.Module:
    """Make room for a graph of the recorded size; its bytes come with the weights."""
    if not isinstance(module, OnnxGraph):
        raise Unsupported("this record belongs to an ONNX file", where=type(module).__name__)
    return module.replaced(bytes(int(entry.data["size_bytes"])))
