"""An ONNX graph while its nodes are replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.onnx_file import array_of, attributes_of, make_constant, make_node, replace_all

Step = Callable[["EditedGraph", Any], list[Any] | None]


class EditedGraph:
    """Nodes and constants of one graph while it is rewritten."""

    def __init__(self, proto: Any) -> None:
        self.proto = proto
        self.nodes = list(proto.node)
        self.constants = {item.name: array_of(item) for item in proto.initializer}
        for node in list(self.nodes):
            value = self._value(node)
            if value is not None:
                self.constants[node.output[0]] = value
                self.nodes.remove(node)
        self.outputs = {port.name for port in proto.output}
        self._index()

    def _value(self, node: Any) -> NDArray[Any] | None:
        """What a node gives when that is a constant: exporters repeat equal ones through Identity."""
        if node.op_type == "Identity":
            return self.constants.get(node.input[0])
        attributes = attributes_of(node) if node.op_type == "Constant" else {}
        return array_of(attributes["value"]) if "value" in attributes else None

    def _index(self) -> None:
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def rewrite(self, step: Step) -> None:
        """Call `step` on every node: it gives the nodes that replace it, or None to keep it.

        What a step puts into `gone` (names of outputs) is removed as well.
        """
        self.gone: set[str] = set()
        pairs = [(node, step(self, node)) for node in self.nodes]
        result = [new for node, made in pairs for new in ([node] if made is None else made)]
        self.nodes = [node for node in result if node.output[0] not in self.gone]
        self._index()

    def is_private(self, name: str) -> bool:
        """Whether exactly one node reads this value and it is no output of the graph."""
        return len(self.users.get(name, [])) == 1 and name not in self.outputs

    def weight_behind(self, name: str) -> tuple[NDArray[Any], NDArray[Any], int | None] | None:
        """int8 values, scale and axis of a constant weight behind a DequantizeLinear."""
        node = self.maker.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in self.constants:
            return None
        scale = self.constants[node.input[1]]
        return self.constants[node.input[0]], scale, attributes_of(node).get("axis") if scale.ndim else None

    def store_weight(self, output: str, values: NDArray[Any], scale: NDArray[Any], axis: int | None) -> Any:
        """A constant int8 weight under the name `output`, as its DequantizeLinear node."""
        names = [f"{output}_{part}" for part in ("int8", "scale", "zero")]
        scale = scale.astype(np.float32)
        for name, value in zip(names, (values, scale, np.zeros(scale.shape, np.int8)), strict=True):
            self.constants[name] = value
        return make_node("DequantizeLinear", names, output, axis=axis)

    def write(self) -> None:
        """Put the nodes, and the constants that are read, back into the message."""
        used = {name for node in self.nodes for name in node.input} | self.outputs
        kept = [make_constant(name, value) for name, value in self.constants.items() if name in used]
        replace_all(self.proto.node, self.nodes)
        replace_all(self.proto.initializer, kept)
