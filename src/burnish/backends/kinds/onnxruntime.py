"""ONNX Runtime on the CPU: a portable file, graph optimisation, int8 kernels for Q/DQ models.

Options: `{"quantize": "dynamic"}` stores matrix weights as int8 and quantizes activations as they
come; `{"spin": false}` lets idle threads sleep between calls.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.backend import Arrays, Availability, Backend, Executable, Options
from burnish.backends.bundle import call_failed, check_outputs
from burnish.backends.installed import find_package, need
from burnish.backends.onnx_file import heavy_ops, tidy
from burnish.backends.onnx_lower import lower_fake_quantize
from burnish.core.errors import ArtifactError, BadData, BurnishError, RecipeError, Unsupported
from burnish.core.evidence import Coverage
from burnish.core.machine import INT8_DOT, fingerprint
from burnish.core.signature import Signature

if TYPE_CHECKING:
    from burnish.model.variant import Program

MODEL_FILE = "model.onnx"
_ERRORS_ONLY = 3


class ONNXRuntimeExecutable(Executable):
    """One inference session."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._signature = signature

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Outputs by name. Raises `BurnishError` when the model fails on these inputs."""
        if self._session is None:
            raise BurnishError("this executable is closed", help="load it again")
        names = [spec.name for spec in self._signature.outputs]
        feed = {spec.name: inputs[spec.name] for spec in self._signature.inputs}
        try:
            outputs = dict(zip(names, self._session.run(names, feed), strict=True))
        except _failures() as error:
            raise call_failed("onnxruntime", inputs, error) from error
        check_outputs(outputs, inputs, self._signature, "onnxruntime")
        return outputs

    def close(self) -> None:
        """Drop the session and its threads."""
        self._session = None


class ONNXRuntime(Backend):
    """Microsoft's runtime, through one file `model.onnx`."""

    name = "onnxruntime"

    def available(self) -> Availability:
        """Where the runtime and the exporter's packages are installed."""
        return find_package("onnxruntime", "onnx", "onnxscript")

    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """As it is; and for fp32 also with dynamically quantized matrix products."""
        plain: dict[str, Any] = {"quantize": "none"}
        return (plain, {"quantize": "dynamic"}) if precision == "fp32" else (plain,)

    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Export, lower fake-quantize nodes, and quantize when the options say so."""
        need(self)
        from burnish.backends.onnx_export import to_onnx  # loads torch, which a service does without

        dynamic = _is_dynamic(options)
        data = program.onnx_bytes or to_onnx(program, self.name)
        names = ([s.name for s in program.signature.inputs], [s.name for s in program.signature.outputs])
        path = folder / MODEL_FILE
        path.write_bytes(tidy(lower_fake_quantize(data), *names))
        if dynamic:
            _quantize(path)
        try:
            _open(str(path), _settings(1), str(path))
        except ArtifactError as error:
            raise Unsupported(
                "ONNX Runtime has no kernels for this model", why=error.why, help="use another backend"
            ) from error

    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """Open the file with that many threads and every graph optimisation."""
        need(self)
        settings = _settings(threads)
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.get("spin", True) else "0")
        return ONNXRuntimeExecutable(_open(str(folder / MODEL_FILE), settings, str(folder)), signature)

    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Read from the optimised graph, which says what the session really runs."""
        del options
        need(self)
        return Coverage(ops=tuple(heavy_ops(_optimized(folder / MODEL_FILE))))


def open_graph(data: bytes) -> Callable[[Arrays], dict[str, NDArray[Any]]]:
    """Any ONNX graph as a function from inputs by name to all its outputs by name.

    It uses torch's number of threads, which sleep between calls. Raises `ArtifactError` when the
    runtime cannot open it, `BadData` when it fails on some inputs.
    """
    import torch

    settings = _settings(torch.get_num_threads())
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = _open(data, settings, "the ONNX file")
    names = [port.name for port in session.get_outputs()]

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        try:
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))
        except _failures() as error:
            shapes = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in inputs.items())
            raise BadData("the ONNX file fails on these rows", where=shapes, why=str(error)) from error

    return run


def _is_dynamic(options: Options) -> bool:
    value = options.get("quantize", "none")
    if value not in ("none", "dynamic"):
        raise RecipeError(f"unknown value {value!r} for onnxruntime's quantize", help="use 'none' or 'dynamic'")
    return bool(value == "dynamic")


def _settings(threads: int) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _ERRORS_ONLY
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return settings


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: classes of its own, without a common base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
        RuntimeError,
    )


def _open(model: str | bytes, settings: Any, where: str) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(model, sess_options=settings, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise ArtifactError("ONNX Runtime cannot open this model", where=where, why=str(error)) from error


def _optimized(path: Path) -> bytes:
    """The graph as a session on this machine would run it."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / MODEL_FILE
        settings = _settings(1)
        settings.optimized_model_filepath = str(target)
        _open(str(path), settings, str(path))
        return target.read_bytes()


def _quantize(path: Path) -> None:
    """Quantize the matrix products of a file in place: int8 weights, activations as they come.

    Where the processor's sums of two products saturate, weights have 7 bits.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from burnish.backends.export import quiet

    narrow = not INT8_DOT & set(fingerprint().isa)
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / MODEL_FILE
        quantize_dynamic(path, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=narrow)
        path.write_bytes(target.read_bytes())


PART = ONNXRuntime()
