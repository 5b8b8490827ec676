"""ONNX Runtime: FP32, INT8 dynamic, INT8 static with Q/DQ nodes.

It is given the faster of two exports (torch's new exporter and the tracing one), and for text also
the graph that its transformers optimizer makes. Quantization follows its documentation: shape
inference and graph optimization first, weights in int8, per channel.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _lib.bench import Bench
from _lib.candidate import Candidate
from _lib.timing import quickest
from burnish.backends.export import dynamic_axes, quiet
from burnish.backends.onnx_file import tidy
from burnish.measure.size import folder_bytes

FILE = "model.onnx"
_MATMULS = ["MatMul", "Gemm"]
Write = Callable[[Path, Path, dict[str, Any]], None]


def peers(bench: Bench) -> list[Candidate]:
    """All ONNX Runtime candidates."""
    logging.getLogger().setLevel(logging.ERROR)
    plain = sources(bench)
    best = quickest(bench, [item for item in plain if not item.error])
    graphs = {"": best.folder}
    if bench.is_text:

        def fuse(folder: Path) -> None:
            _fuse(best.folder / FILE, folder / FILE)

        fused = bench.peer("onnxruntime fp32, fused", "onnxruntime fp32", "onnxruntime", fuse, {"from": best.label})
        plain.append(fused)
        if not fused.error:
            graphs[", fused"] = fused.folder
    found = [*plain]
    for suffix, folder in graphs.items():
        for name, settings in _DYNAMIC.items():
            found.append(_made(bench, f"onnxruntime dynamic {name}{suffix}", folder, settings, _dynamic))
    for name, settings in _static(bench.is_text).items():
        found.append(_made(bench, f"onnxruntime static {name}", best.folder, settings, _calibrated(bench)))
    return found


def sources(bench: Bench) -> list[Candidate]:
    """The base in FP32, from either exporter."""
    folder = bench.exported("onnxruntime")
    new = bench.peer("onnxruntime fp32", "onnxruntime fp32", "onnxruntime", None, {}, folder=folder)

    def trace(target: Path) -> None:
        _trace(bench, target / FILE)

    old = bench.peer("onnxruntime fp32, traced", "onnxruntime fp32", "onnxruntime", trace, {"exporter": "trace"})
    return [new, old]


_DYNAMIC: dict[str, dict[str, Any]] = {
    "per channel": {"per_channel": True, "op_types_to_quantize": _MATMULS},
    "per tensor": {"per_channel": False, "op_types_to_quantize": _MATMULS},
    "all operators": {"per_channel": True},
}


def _static(is_text: bool) -> dict[str, dict[str, Any]]:
    plain: dict[str, dict[str, Any]] = {
        "all operators": {"activation": "QUInt8"},
        "all operators, signed": {"activation": "QInt8", "symmetric": True},
    }
    if is_text:
        return {"matmuls": {"activation": "QUInt8", "op_types_to_quantize": _MATMULS}, **plain}
    return plain | {"all operators, percentile": {"activation": "QUInt8", "calibration": "Percentile"}}


def _made(bench: Bench, label: str, source: Path, settings: dict[str, Any], write: Write) -> Candidate:
    def build(folder: Path) -> None:
        given, target = (source / FILE).resolve(), (folder / FILE).resolve()
        # the quantizer leaves files of weights in the current folder
        with quiet(), tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            ready = Path(scratch) / FILE
            _prepare(given, ready)
            write(ready, target, settings)

    made = bench.peer(label, label.split(" ")[1], "onnxruntime", build, {**settings, "from": source.name}, int8=True)
    made.family = f"onnxruntime {made.family}"
    made.size_bytes = folder_bytes(made.folder) if not made.error else 0
    return made


def _prepare(source: Path, target: Path) -> None:
    """What the documentation calls pre-processing; symbolic shapes are left out where they fail."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(source, target)
    except Exception:  # the symbolic part gives up on some graphs with a bare Exception
        quant_pre_process(source, target, skip_symbolic_shape=True)


def _dynamic(source: Path, target: Path, settings: dict[str, Any]) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # shape inference knows nothing of fused operators; everything that is not an integer is float32
    extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(source, target, weight_type=QuantType.QInt8, extra_options=extra, **settings)


def _calibrated(bench: Bench) -> Write:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rows: Iterator[Any] = iter(bench.calibration)

        def get_next(self) -> Any:
            return next(self._rows, None)

    def write(source: Path, target: Path, settings: dict[str, Any]) -> None:
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=settings.get("op_types_to_quantize"),
            activation_type=QuantType[settings["activation"]],
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[settings.get("calibration", "MinMax")],
            extra_options={"ActivationSymmetric": bool(settings.get("symmetric"))},
        )

    return write


def _trace(bench: Bench, path: Path) -> None:
    """The older exporter, which traces."""
    work = bench.workload
    examples = dict(work.train.batch(np.arange(4)).inputs)
    names = ([spec.name for spec in work.signature.inputs], [spec.name for spec in work.signature.outputs])
    with quiet(), torch.no_grad():
        torch.onnx.export(
            bench.base.module.eval(),
            (),
            path,
            kwargs=examples,
            input_names=names[0],
            output_names=names[1],
            opset_version=18,
            dynamo=False,
            dynamic_axes=dynamic_axes(work.signature),
        )
    path.write_bytes(tidy(path.read_bytes(), *names))


def _fuse(source: Path, target: Path) -> None:
    """ONNX Runtime's optimizer for BERT: fused attention, layer norm and GELU."""
    from onnxruntime.transformers.optimizer import optimize_model

    optimize_model(str(source), model_type="bert", num_heads=0, hidden_size=0).save_model_to_file(str(target))
