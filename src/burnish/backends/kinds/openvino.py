"""OpenVINO on the CPU: low-precision kernels (VNNI, AMX) for fp32, bf16 and int8 models.

A PyTorch module is converted directly, fake-quantize nodes included; saving folds quantized
weights to int8. Options: `{"precision": "f32" | "bf16"}` for what is not quantized.
Source: https://docs.openvino.ai/2025/openvino-workflow/model-preparation/convert-model-pytorch.html
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.backend import Arrays, Availability, Backend, Executable, Options
from burnish.backends.bundle import call_failed, check_outputs
from burnish.backends.installed import find_package, need
from burnish.backends.openvino_ir import coverage_row, name_ports, numbered_anew
from burnish.core.errors import ArtifactError, BurnishError, RecipeError, Unsupported
from burnish.core.evidence import Coverage
from burnish.core.signature import Signature

if TYPE_CHECKING:
    from burnish.model.variant import Program

MODEL_FILE = "model.xml"

_LARGE_TABLE = 1 << 16


@cache
def _core() -> Any:
    import openvino

    core = openvino.Core()
    core.set_property({"CACHE_DIR": ""})
    return core


class OpenVINOExecutable(Executable):
    """One infer request of a compiled model."""

    def __init__(self, compiled: Any, signature: Signature) -> None:
        self._request = compiled.create_infer_request()
        self._signature = signature

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Outputs by name. Raises `BurnishError` when the model fails on these inputs."""
        if self._request is None:
            raise BurnishError("this executable is closed", help="load it again")
        named = {spec.name: inputs[spec.name] for spec in self._signature.inputs}
        try:
            results = self._request.infer(named, share_inputs=False, share_outputs=False)
        except RuntimeError as error:
            raise call_failed("openvino", inputs, error) from error
        outputs = {spec.name: np.asarray(results[index]) for index, spec in enumerate(self._signature.outputs)}
        check_outputs(outputs, inputs, self._signature, "openvino")
        return outputs

    def close(self) -> None:
        """Drop the request, and with it the compiled model."""
        self._request = None


class OpenVINO(Backend):
    """Intel's runtime, through its IR files `model.xml` and `model.bin`."""

    name = "openvino"

    def available(self) -> Availability:
        """Where the package is installed."""
        return find_package("openvino")

    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """f32, and bf16 where the processor has it; for int8 that is what the rest runs in."""
        del precision
        if not self.available().ok:
            return ()
        bf16 = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ({"precision": "f32"}, {"precision": "bf16"}) if bf16 else ({"precision": "f32"},)

    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Convert and save; names and free dimensions as in the signature.

        Weights that will be multiplied as bf16 are stored in 16 bits, embedding tables in 8 bits with a
        scale per row, which is about as exact.
        """
        need(self)
        import openvino

        model = _read(program.onnx_bytes) if program.onnx_bytes is not None else _convert(program, self.name)
        name_ports(model, program.signature)
        half = _precision(options) == "bf16" and program.precision == "fp32"
        path = folder / MODEL_FILE
        openvino.save_model(model, path, compress_to_fp16=half)
        if half:
            _shrink_tables(path)
        path.write_text(numbered_anew(path.read_text()))
        _try(folder, options)

    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """Compile for latency: one stream of `threads` threads."""
        need(self)
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _precision(options),
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        return OpenVINOExecutable(_compile(folder, settings), signature)

    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Read from the compiled graph: what the plugin chose for every heavy operator."""
        need(self)
        compiled = _compile(folder, {"INFERENCE_PRECISION_HINT": _precision(options), "NUM_STREAMS": 1})
        rows = (coverage_row(op) for op in compiled.get_runtime_model().get_ordered_ops())
        return Coverage(ops=tuple(row for row in rows if row is not None))


def _precision(options: Options) -> str:
    value = options.get("precision", "f32")
    if value not in ("f32", "bf16"):
        raise RecipeError(f"unknown precision {value!r} for openvino", help="use 'f32' or 'bf16'")
    return str(value)


def _compile(folder: Path, settings: dict[str, Any]) -> Any:
    path = folder / MODEL_FILE
    if not path.exists():
        raise ArtifactError("the OpenVINO model is missing", where=str(path))
    try:
        return _core().compile_model(path, "CPU", settings)
    except RuntimeError as error:
        raise ArtifactError("OpenVINO cannot compile this model", where=str(path), why=str(error)) from error


def _shrink_tables(path: Path) -> None:
    """Store large embedding tables as int8: q = round(row / scale), scale = max |row| / 127.

    The CPU plugin gathers int8 rows and scales only those. A table that is also multiplied (tied weights)
    stays as it is. OpenVINO would compress nothing else in a model that has such tables, so this comes last.
    """
    import openvino
    from openvino import opset13 as op

    model = _core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    found = False
    for node in [node for node in model.get_ops() if node.get_type_name() == "Gather"]:
        source = node.input_value(0)
        while source.get_node().get_type_name() == "Convert" and len(source.get_target_inputs()) == 1:
            source = source.get_node().input_value(0)
        table = source.get_node()
        if table.get_type_name() != "Constant" or len(source.get_target_inputs()) != 1:
            continue
        values = table.get_data()
        if values.ndim != 2 or values.dtype.kind != "f" or values.size < _LARGE_TABLE:
            continue
        values = values.astype(np.float32)
        scale = np.maximum(np.abs(values).max(1, keepdims=True), 1e-8) / 127
        rounded = np.round(values / scale).astype(np.int8)
        small = op.multiply(op.convert(op.constant(rounded), np.float32), op.constant(scale))
        node.input(0).replace_source_output(small.output(0))
        found = True
    if found:
        openvino.save_model(model, path, compress_to_fp16=False)


def _try(folder: Path, options: Options) -> None:
    """Some models convert and then have no kernels in one precision: better known now than when timed."""
    try:
        _compile(folder, {"INFERENCE_PRECISION_HINT": _precision(options), "NUM_STREAMS": 1})
    except ArtifactError as error:
        raise Unsupported(
            f"OpenVINO has no kernels for this model in {_precision(options)}",
            why=" ".join(error.why.split())[-200:],
            help="use another precision or backend",
        ) from error


def _read(onnx_bytes: bytes) -> Any:
    return _core().read_model(model=onnx_bytes)


def _convert(program: Program, backend: str) -> Any:
    import openvino
    import torch
    from openvino import frontend

    from burnish.backends.export import explain_trace, module_of, quiet

    failures = (
        frontend.GeneralFailure,
        frontend.InitializationFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
    )
    module = module_of(program, backend)
    with quiet(), explain_trace(module, backend, failures), torch.no_grad():
        return openvino.convert_model(module, example_input=dict(program.examples))


PART = OpenVINO()
