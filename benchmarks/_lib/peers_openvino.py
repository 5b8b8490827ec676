"""OpenVINO in f32 and bf16, and NNCF's post-training quantization of its model to INT8.

Settings as OpenVINO's documentation recommends: the default preset, `model_type=TRANSFORMER` for
transformers, 300 calibration rows; beside them the mixed preset and the slower bias correction.
Each is compiled with both hints for what is not INT8.
Source: https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from _lib.bench import CALIBRATION_ROWS, Bench
from _lib.candidate import Candidate

_HINTS = ("f32", "bf16")


def peers(bench: Bench) -> list[Candidate]:
    """All OpenVINO candidates."""
    plain = bench.exported("openvino")
    found = [
        bench.peer(f"openvino {hint}", "openvino", "openvino", None, {}, folder=plain, options={"precision": hint})
        for hint in _HINTS
    ]
    for name, settings in _settings(bench).items():

        def build(folder: Path, settings: dict[str, Any] = settings) -> None:
            _quantize(bench, plain, folder, settings)

        for hint in _HINTS:
            label = f"nncf ptq {name}"
            made = bench.peer(label, "nncf", "openvino", build, settings, options={"precision": hint}, int8=True)
            made.label = f"{label}, openvino int8 + {hint}"
            found.append(made)
    return found


def _settings(bench: Bench) -> dict[str, dict[str, Any]]:
    kind = {"model_type": "TRANSFORMER"} if bench.is_text else {}
    return {
        "default": {**kind},
        "mixed": {"preset": "MIXED", **kind},
        "exact bias": {"fast_bias_correction": False, **kind},
    }


def _quantize(bench: Bench, plain: Path, folder: Path, settings: dict[str, Any]) -> None:
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    chosen = dict(settings)
    if "preset" in chosen:
        chosen["preset"] = nncf.QuantizationPreset[chosen["preset"]]
    if "model_type" in chosen:
        chosen["model_type"] = nncf.ModelType[chosen["model_type"]]
    model = openvino.Core().read_model(plain / "model.xml")
    quantized = nncf.quantize(model, nncf.Dataset(bench.calibration), subset_size=CALIBRATION_ROWS, **chosen)
    openvino.save_model(quantized, folder / "model.xml", compress_to_fp16=False)
