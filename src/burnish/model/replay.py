"""From the original architecture and a list of records back to a variant's structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from burnish.core.errors import ArtifactError, did_you_mean
from burnish.core.manifest import Record
from burnish.model import fake_quant
from burnish.model.attention import replay_attention
from burnish.model.branch import replay_branches
from burnish.model.onnx_graph import replay_graph
from burnish.model.surgery import replay_resize
from burnish.model.variant import Variant

_REPLAY: Mapping[str, Callable[[nn.Module, Record], nn.Module]] = {
    "attention": replay_attention,
    "resize": replay_resize,
    "branches": replay_branches,
    "fake-quantize": fake_quant.replay,
    "onnx-graph": replay_graph,
}


def replay(module: nn.Module, records: Sequence[Record]) -> Variant:
    """Apply all records in order to a freshly built module; weights are to be loaded after.

    Raises `ArtifactError` on a record nobody knows.
    """
    for entry in records:
        if entry.kind not in _REPLAY:
            raise ArtifactError(f"unknown record {entry.kind!r}", help=did_you_mean(entry.kind, _REPLAY))
        module = _REPLAY[entry.kind](module, entry)
    quantized = any(entry.kind in ("fake-quantize", "onnx-graph") for entry in records)
    return Variant(module=module.eval(), records=tuple(records), precision="int8" if quantized else "fp32")
