"""From a recipe to a verified artifact, as a user goes through it: real digits, the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import burnish
from burnish.cli.main import app
from burnish.core.evidence import Ledger
from burnish.workloads.workload import Workload
from tests.pipeline.fake import by_size, fake_times

RECIPE = """
workload: digits
budget: accuracy>=-5pt
passes:
  - fit: {epochs: 3}
  - prune: {macs: 0.5, criterion: l1, recover: {epochs: 1}}
  - quantize: {method: ptq, calibration_rows: 64}
compile: {backends: [openvino], rounds: 3, seconds: 3}
served: [{batch: 1}]
threads: 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def burnish_command(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def ledger(out: Path) -> Ledger:
    return Ledger.from_json((out / "ledger.json").read_text())


def walk_through(recipe: Path, out: Path, digits: Workload) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plan, run, look, verify, load, call, run again; both manifests."""
    plan = burnish_command("optimize", recipe, "--out", out, "--dry-run")
    assert "prune" in plan and not out.exists()
    shown = burnish_command("optimize", recipe, "--out", out)
    assert str(out / "report.html") in shown and str(out / "artifact") in shown
    first = ledger(out)
    assert [row.pass_name for row in first.stages] == ["fit", "prune", "quantize"]
    assert first.stages[0].verdict == "base"
    best = first.best
    assert best.chosen and best.exact and best.backend == "openvino"
    assert first.base.validation is not None and best.validation is not None
    assert best.validation.value >= first.base.validation.value - 0.05
    assert best.test is not None and best.test.value > 0.8
    page = (out / "report.html").read_text()
    assert page.startswith("<!doctype html>") and best.label in page
    assert "verified" in burnish_command("verify", out / "artifact")
    rows = digits.test.batch(np.arange(64))
    with burnish.load(out / "artifact") as model:
        scores = model(rows.inputs["image"].numpy())
    assert isinstance(scores, np.ndarray) and scores.shape == (64, 10)
    assert float((scores.argmax(1) == rows.targets.numpy()).mean()) > 0.8
    one = json.loads((out / "artifact" / "manifest.json").read_text())
    burnish_command("optimize", recipe, "--out", out)
    two = json.loads((out / "artifact" / "manifest.json").read_text())
    assert [row.cached for row in ledger(out).stages] == [True, True, True]
    assert not [path for path in out.iterdir() if path.name.startswith((".artifact", ".work"))]
    return one, two


def test_a_recipe_becomes_an_artifact_with_made_up_times(
    recipe: Path, tmp_path: Path, digits: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_times(monkeypatch, by_size)
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    one, two = walk_through(recipe, out, digits)
    assert two["content_hash"] == one["content_hash"]
    assert ledger(out).best.label.startswith("quantize on openvino")


@pytest.mark.slow
def test_a_recipe_becomes_an_artifact_with_measured_times(
    recipe: Path, tmp_path: Path, digits: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    walk_through(recipe, out, digits)
    found = ledger(out)
    assert all(point.latency["batch 1"].p50.value > 0 for point in found.points)
    assert set(found.best.throughput) == {"1", "8", "32"}
    assert found.seconds_measuring > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["digit"], "did you mean 'digits'?"),
        (["digits", "--set", "passes.1.ratioo=0.3"], "did you mean 'ratio'?"),
        (["digits", "--set", "passes.1.criterion=tailor"], "did you mean 'taylor'?"),
        (["digits", "--set", "compile.target=openvin"], "did you mean 'openvino'?"),
        (["digits", "--budget", "acuracy>=-1pt"], "did you mean 'accuracy'?"),
        (["digits", "--set", "passes.1.macs=1.5"], "less than 1"),
        (["digits", "--data", "somewhere"], "unknown setting 'data'"),
    ],
)
def test_what_is_misspelled_is_one_error_with_a_fix_and_nothing_written(
    arguments: list[str], text: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["optimize", *arguments, "--out", str(out)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and text in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


def test_data_that_are_not_here_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_FASHION_MNIST", str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["optimize", "fashion-mnist", "--data", str(tmp_path / "none"), "--dry-run"])
    assert result.exit_code == 1
    assert "is not there" in result.stderr and "help: " in result.stderr
