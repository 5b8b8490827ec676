"""The file that runs inside Triton, loaded with a stand-in for what Triton puts beside it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import burnish
from burnish.artifact.triton.tuning import Tuning
from burnish.artifact.triton.write import Exported, export
from burnish.testing.backends import sequence_inputs
from tests.artifact.made import tiny_images, tiny_sequences


class TritonError(Exception):
    """An error in an answer."""


class TritonModelException(Exception):
    """An error of the model itself."""


@dataclass
class Tensor:
    name: str
    array: np.ndarray[Any, Any]

    def as_numpy(self) -> np.ndarray[Any, Any]:
        return self.array


@dataclass
class InferenceResponse:
    output_tensors: list[Tensor]
    error: TritonError | None = None


@dataclass
class Request:
    inputs: dict[str, np.ndarray[Any, Any]]
    wanted: list[str] = field(default_factory=list)

    def requested_output_names(self) -> list[str]:
        return self.wanted


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("triton_python_backend_utils")
    for part in (Tensor, InferenceResponse, TritonError, TritonModelException):
        setattr(module, part.__name__, part)
    module.get_input_tensor_by_name = lambda request, name: Tensor(name, request.inputs[name])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


Open = Callable[[Path], Any]


@pytest.fixture
def opened(utils: ModuleType, out: Path) -> Iterator[Open]:
    """Exports an artifact and opens version 1 as Triton would."""
    models = []

    def open_artifact(artifact: Path) -> Any:
        export({"model": Exported({"1": artifact}, Tuning(8))}, out)
        model = open_exported(out)
        models.append(model)
        return model

    yield open_artifact
    for model in models:
        model.finalize()


def open_exported(out: Path) -> Any:
    path = out / "model" / "1" / "model.py"
    spec = importlib.util.spec_from_file_location("exported_model", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    model.initialize({"model_repository": str(out / "model"), "model_version": "1"})
    return model


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "eager"])
def test_each_request_gets_its_own_rows(backend: str, opened: Open, tmp_path: Path):
    artifact = tiny_images(tmp_path / "made", backend=backend)
    images = np.random.default_rng(0).standard_normal((6, 3, 12, 12)).astype(np.float32)
    parts = [images[:1], images[1:4], images[4:]]
    answers = opened(artifact).execute([Request({"image": part}, ["scores"]) for part in parts])
    with burnish.load(artifact) as model:
        for part, answer in zip(parts, answers, strict=True):
            assert answer.error is None
            np.testing.assert_allclose(answer.output_tensors[0].array, model(part), rtol=1e-4, atol=1e-5)


def test_other_lengths_are_run_apart_and_a_bad_row_spoils_only_itself(opened: Open, tmp_path: Path):
    artifact = tiny_sequences(tmp_path / "made")
    cases = [{k: v.numpy() for k, v in sequence_inputs(1, length, seed=length).items()} for length in (3, 5, 3, 3)]
    cases[2] = {"ids": np.array([[1, 999, 1]]), "mask": np.ones((1, 3), np.int64)}
    answers = opened(artifact).execute([Request(case, ["tokens", "scores"]) for case in cases])
    assert [answer.error is not None for answer in answers] == [False, False, True, False]
    with burnish.load(artifact) as model:
        for place in (0, 1, 3):
            wanted = model.run(cases[place])
            assert [tensor.name for tensor in answers[place].output_tensors] == ["tokens", "scores"]
            for tensor in answers[place].output_tensors:
                np.testing.assert_allclose(tensor.array, wanted[tensor.name], rtol=1e-4, atol=1e-5)


def test_a_changed_program_is_not_opened(opened: Open, out: Path, tmp_path: Path):
    opened(tiny_images(tmp_path / "made"))
    with (out / "model" / "1" / "program" / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(TritonModelException, match=r"model\.onnx differs from the one that was exported"):
        open_exported(out)


def test_a_missing_runtime_is_named_with_the_command(
    opened: Open, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened(tiny_images(tmp_path / "made"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(TritonModelException, match="in Triton's Python, pip install onnxruntime>="):
        open_exported(out)
