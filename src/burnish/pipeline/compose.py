"""A recipe for a model nobody tuned for: what tracing finds in it, and what this machine can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from burnish.core.machine import INT8_DOT, Machine
from burnish.measure.metric import Metric
from burnish.model.onnx_graph import OnnxGraph
from burnish.passes.pruning.heads import attention_projections
from burnish.pipeline.recipe import Recipe, recipe_from
from burnish.workloads.workload import Workload

_CALIBRATION_ROWS = 300
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def kind_of(module: nn.Module, inputs: Mapping[str, Tensor]) -> str:
    """convolutional, encoder, recurrent, mixed (several of these), dense (none), or an onnx graph."""
    if isinstance(module, OnnxGraph):
        return "onnx"
    parts = list(module.modules())
    found = []
    if any(isinstance(part, _CONVS) for part in parts):
        found.append("convolutional")
    if any(isinstance(part, nn.MultiheadAttention) for part in parts) or attention_projections(module, inputs):
        found.append("encoder")
    if any(isinstance(part, nn.RNNBase) for part in parts):
        found.append("recurrent")
    return found[0] if len(found) == 1 else "mixed" if found else "dense"


def compose(
    name: str, workload: Workload, module: nn.Module, inputs: Mapping[str, Tensor], budget: str, machine: Machine
) -> Recipe:
    """The recipe for `burnish optimize MODEL` without one.

    Convolutional and dense models lose half of their multiply-adds, encoders half of their measured
    time; mixed and recurrent ones are cut less, since less of them can be cut; an ONNX file is not cut.
    A cut that costs too much score is tried again, gentler, twice.
    INT8 follows where the processor multiplies it.
    """
    kind = kind_of(module, inputs)
    quantizable = bool((INT8_DOT | {"avx2"}) & set(machine.isa))
    epochs = max(0.5, round(workload.fit.epochs / 3, 1))
    recover = {"epochs": epochs}
    gentler = {"retreat": 2, "recover": recover}
    rounding: dict[str, Any] = {"method": "best", "recover": {"epochs": max(0.5, round(epochs / 2, 1))}}
    if kind == "onnx":
        rounding = {"method": "ptq"}
    if len(workload.train) < _CALIBRATION_ROWS:
        rounding["calibration_rows"] = len(workload.train)
    cut: dict[str, Any] = {
        "convolutional": {"macs": 0.5, **gentler},
        "dense": {"macs": 0.5, **gentler},
        "encoder": {"latency": 0.5, "ranking": "global", **gentler},
        "mixed": {"macs": 0.7, **gentler},
        "recurrent": {"macs": 0.7, **gentler},
        "onnx": {},
    }[kind]
    passes: list[Any] = [] if workload.trained else ["fit"]
    if cut:
        passes.append({"prune": cut})
    if quantizable:
        passes.append({"quantize": rounding})
    return recipe_from({"workload": name, "passes": passes, "budget": budget or default_budget(workload.metric)})


def default_budget(metric: Metric) -> str:
    """One point of a share; for other metrics none in words: stages then may lose 2 % of the value."""
    if not metric.points:
        return ""
    return f"{metric.name}>=-1pt" if metric.higher_is_better else f"{metric.name}<=1pt"
