"""An ONNX file goes in: the command composes a recipe, rounds it to INT8 and gives a verified artifact."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import burnish
from burnish.cli.main import app
from burnish.core.evidence import Ledger
from burnish.pipeline.workbench import Built
from tests import onnx_files, tiny
from tests.pipeline.fake import fake_times


def by_weights(built: Built) -> float:
    """OpenVINO's weights apart from its text; ONNX Runtime is slower than all."""
    weights = built.folder / "model.bin"
    return 1.0 + weights.stat().st_size / 1e4 if weights.exists() else 10.0


def test_from_an_onnx_file_to_an_artifact(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    fake_times(monkeypatch, by_weights)
    model, data = onnx_files.write(tmp_path)
    out = tmp_path / "run"
    words = [
        "optimize", model, "--data", data, "--budget", "accuracy>=-5pt", "--out", out, "--threads", 1,
        "--set", "compile.rounds=3", "--set", "compile.seconds=2", "--set", "passes.0.min_coverage=0",
        "--set", "compile.backends=[onnxruntime,openvino]",
    ]  # fmt: skip
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    ledger = Ledger.from_json((out / "ledger.json").read_text())
    assert [row.verdict for row in ledger.stages] == ["base", "kept"]
    assert ledger.base.backend == "onnxruntime" and ledger.base.options == {"quantize": "none"}
    assert "quantize" in ledger.best.label
    checked = CliRunner().invoke(app, ["verify", str(out / "artifact")])
    assert checked.exit_code == 0, checked.output
    rows = tiny.rows(50, 77)
    with burnish.load(out / "artifact") as loaded:
        answers = loaded(image=rows.inputs["image"])
    assert (answers.argmax(1) == rows.targets).mean() > 0.85
    again = CliRunner().invoke(app, [str(word) for word in [*words, "--dry-run"]])
    assert "cached" in again.output, again.output
    assert np.isfinite(answers).all()
