"""One model version in Triton's Python backend. Written by `burnish export --to triton`.

This file is copied as it stands beside `program.json`, and knows nothing of the package it comes from.
Programs of ONNX Runtime and OpenVINO need that one package in Triton's Python and nothing else; others are
run by `burnish` itself. Every file's hash is compared before it is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]


class TritonPythonModel:
    """What Triton calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Check the files and open the program. Raises `TritonModelException`."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._settings = json.loads((folder / "program.json").read_text())
        for name, wanted in self._settings["files"].items():
            if _sha256(folder / name) != wanted:
                raise triton.TritonModelException(f"{folder / name} differs from the one that was exported")
        openers = {"onnxruntime": _onnxruntime, "openvino": _openvino}
        try:
            self._run = openers.get(self._settings["backend"], _burnish)(folder, self._settings)
        except ImportError as error:
            needs = self._settings["needs"]
            raise triton.TritonModelException(f"{error}: in Triton's Python, pip install {needs}") from error

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """An answer to every request, in their order. Requests of equal shapes are run together."""
        inputs = [self._read(request) for request in requests]
        groups: dict[Any, list[int]] = {}
        for place, arrays in enumerate(inputs):
            groups.setdefault(tuple(array.shape[1:] for array in arrays.values()), []).append(place)
        found: dict[int, Arrays | Exception] = {}
        for places in groups.values():
            found |= zip(places, self._batch([inputs[place] for place in places]), strict=True)
        return [self._answer(request, found[place]) for place, request in enumerate(requests)]

    def finalize(self) -> None:
        """Let go of the program."""
        del self._run

    def _read(self, request: Any) -> Arrays:
        return {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._settings["inputs"]}

    def _batch(self, members: list[Arrays]) -> list[Arrays | Exception]:
        """Outputs of every member. If the batch fails they are run one by one: one of them must not spoil the rest."""
        sizes = [len(next(iter(member.values()))) for member in members]
        joined = {name: np.concatenate([member[name] for member in members]) for name in members[0]}
        try:
            outputs = self._run(joined)
            if any(len(array) != sum(sizes) for array in outputs.values()):
                raise ValueError("the program gave another number of rows than it got")
        except Exception as error:  # whatever a runtime raises has to reach the client as an answer
            return [error] if len(members) == 1 else [self._batch([member])[0] for member in members]
        ends = np.cumsum(sizes)
        return [
            {name: array[end - size : end] for name, array in outputs.items()}
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _answer(self, request: Any, found: Arrays | Exception) -> Any:
        if isinstance(found, Exception):
            return triton.InferenceResponse(output_tensors=[], error=triton.TritonError(str(found)))
        wanted = request.requested_output_names()
        tensors = [triton.Tensor(name, np.ascontiguousarray(found[name])) for name in wanted]
        return triton.InferenceResponse(output_tensors=tensors)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _onnxruntime(folder: Path, settings: dict[str, Any]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if settings["options"].get("spin", True) else "0"
    )
    path = str(folder / "program" / "model.onnx")
    session = onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
    names = settings["outputs"]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def _openvino(folder: Path, settings: dict[str, Any]) -> Run:
    import openvino

    core = openvino.Core()
    core.set_property({"CACHE_DIR": ""})
    properties = {
        "INFERENCE_NUM_THREADS": settings["threads"],
        "INFERENCE_PRECISION_HINT": settings["options"].get("precision", "f32"),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(folder / "program" / "model.xml", "CPU", properties).create_infer_request()

    def run(inputs: Arrays) -> Arrays:
        results = request.infer(inputs, share_inputs=False, share_outputs=False)
        return {name: np.asarray(results[place]) for place, name in enumerate(settings["outputs"])}

    return run


def _burnish(folder: Path, settings: dict[str, Any]) -> Run:
    import burnish

    return burnish.load(folder / "artifact", threads=settings["threads"]).run
