"""Fake-quantize nodes in whatever a variant holds: a torch module or an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from burnish.backends.onnx_file import read_model, write_model
from burnish.backends.onnx_ports import has_attention, heavy_nodes, with_outputs
from burnish.core.manifest import Record
from burnish.model import fake_quant
from burnish.model.fewer_nodes import keep_nodes
from burnish.model.onnx_graph import OnnxGraph, graph_record
from burnish.passes.pruning.heads import attention_projections
from burnish.passes.quantization.sensitivity import noise_ratios, worst_first

_FEW = 8
_HEAVY = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def insert(
    module: nn.Module, samples: Sequence[dict[str, Tensor]], scheme: fake_quant.Scheme, keep_float: Sequence[str]
) -> nn.Module:
    """A calibrated copy with nodes everywhere but in `keep_float`. Raises `Unsupported`."""
    if not isinstance(module, OnnxGraph):
        attention = bool(attention_projections(module, samples[0]))
        return fake_quant.insert(module, samples, scheme, attention=attention, keep_float=keep_float)
    arrays = [{name: tensor.numpy() for name, tensor in sample.items()} for sample in samples]
    done = fake_quant.insert_into_graph(
        read_model(module.data), arrays, scheme, attention=has_attention(module.data), keep_float=keep_float
    )
    return module.replaced(write_model(done))


def record(module: nn.Module) -> Record:
    """What puts the nodes back, before the weights are loaded."""
    return graph_record(module) if isinstance(module, OnnxGraph) else fake_quant.record(module)


def noisiest(quantized: nn.Module, original: nn.Module, inputs: Mapping[str, Tensor]) -> list[str]:
    """Layers (in an ONNX graph: nodes) by the error of their output, the noisiest first."""
    if not (isinstance(original, OnnxGraph) and isinstance(quantized, OnnxGraph)):
        return [name for name, _ in worst_first(quantized, original, inputs)]
    still_there = heavy_nodes(quantized.data)
    kept = {name: output for name, output in heavy_nodes(original.data).items() if name in still_there}
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    wanted, found = (g.outputs_of(with_outputs(g.data, list(kept.values())), arrays) for g in (original, quantized))
    return [name for name, _ in noise_ratios({name: (wanted[out], found[out]) for name, out in kept.items()})]


def noisiest_of_its_own(trained: nn.Module, original: nn.Module, inputs: Mapping[str, Tensor]) -> list[str]:
    """Layers by what the rounding alone adds: the trained module beside itself without nodes, the noisiest first."""
    return noisiest(trained, keep_nodes(trained, original, None), inputs)


def without(
    trained: nn.Module,
    original: nn.Module,
    samples: Sequence[dict[str, Tensor]],
    scheme: fake_quant.Scheme,
    keep_float: Sequence[str],
) -> nn.Module:
    """The trained module with its weights and ranges, its nodes taken from the layers in `keep_float`.

    Which nodes these are is seen from a calibration on a few samples. Raises `Unsupported`.
    """
    rough = scheme.model_copy(update={"bias_correction": False})
    return keep_nodes(trained, original, insert(original, samples[:_FEW], rough, keep_float))


def layers(module: nn.Module) -> list[str]:
    """Names of what can be rounded."""
    if isinstance(module, OnnxGraph):
        return list(heavy_nodes(module.data))
    return [name for name, part in module.named_modules() if isinstance(part, _HEAVY)]
