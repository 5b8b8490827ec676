"""Whole runs on a tiny problem with made-up times: order, resume, cache, and what is left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from burnish.backends.backend import Availability
from burnish.core import files
from burnish.core.errors import (
    BadData,
    BurnishError,
    MissingExtra,
    OutputError,
    RecipeError,
    TrainingFailed,
    Unsupported,
)
from burnish.core.files import lock_folder
from burnish.core.manifest import Manifest
from burnish.passes.kinds.fit import Fit
from burnish.passes.kinds.prune import Prune
from burnish.pipeline.recipe import Compile, Step
from burnish.pipeline.surroundings import max_drop
from tests import tiny
from tests.pipeline.fake import FIT, PRUNE, QUANTIZE, a_run, fake_times
from tests.pipeline.test_preflight import Holder


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_times(monkeypatch)
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the passes that really ran, as they come."""
    ran: list[str] = []
    for kind in (Fit, Prune):
        real: Callable[..., Any] = kind.__call__

        def call(self: Any, variant: Any, context: Any, real: Callable[..., Any] = real) -> Any:
            ran.append(type(self).__name__)
            return real(self, variant, context)

        monkeypatch.setattr(kind, "__call__", call)
    return ran


def test_a_run_ends_in_an_artifact_ledger_and_recipe(out: Path) -> None:
    result = a_run(out, FIT, PRUNE, budget="accuracy>=-10pt").execute()
    ledger = result.ledger
    assert [(row.pass_name, row.verdict) for row in ledger.stages] == [("fit", "base"), ("prune", "kept")]
    assert ledger.base.label == "fit on eager" and ledger.best.label == "prune on eager"
    assert sum(point.chosen for point in ledger.points) == 1
    assert ledger.best.speedup["batch 1"].value > 1
    assert ledger.best.test is not None and ledger.best.test_delta is not None
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "artifact",
        "ledger.json",
        "recipe.yaml",
    ]
    manifest = Manifest.from_json((out / "artifact" / "manifest.json").read_text())
    assert manifest == result.manifest
    assert manifest.lineage == tuple(row.key for row in ledger.stages)
    assert [record.kind for record in manifest.records] == ["resize"]


def test_the_same_run_again_is_served_from_the_cache_with_the_same_content(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = a_run(out, FIT, PRUNE, budget="accuracy>=-10pt")
    assert [cached for _, _, cached in first.setup.plan()] == [False, False]
    one = first.execute()
    ran = counted(monkeypatch)
    again = a_run(out, FIT, PRUNE, budget="accuracy>=-10pt")
    assert again.setup.plan()[0][2] is True
    two = again.execute()
    assert ran == []
    assert [row.cached for row in two.ledger.stages] == [True, True]
    assert two.manifest.content_hash == one.manifest.content_hash


@pytest.mark.parametrize("seed", [0, 1])
def test_an_undisturbed_run_and_a_resumed_one_give_the_same_content(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    steps = (FIT, PRUNE, QUANTIZE)
    settings = {"budget": "accuracy>=-20pt", "seed": seed}
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "undisturbed"))
    whole = a_run(tmp_path / "whole", *steps, **settings).execute()
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "stopped"))
    with monkeypatch.context() as patch:

        def stop(self: Prune, variant: object, context: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Prune, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            a_run(out, *steps, **settings).execute()
    assert not (out / "artifact").exists()
    ran = counted(monkeypatch)
    resumed = a_run(out, *steps, **settings).execute()
    assert ran == ["Prune"]
    assert resumed.ledger.stages[0].cached and not resumed.ledger.stages[1].cached
    assert resumed.manifest.content_hash == whole.manifest.content_hash


def test_training_that_was_stopped_goes_on_from_its_last_epoch(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = a_run(tmp_path / "whole", FIT).execute()
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "stopped"))
    calls: list[int] = []

    def run(stop_at: int) -> Any:
        made = a_run(out, FIT)
        real = made.setup.context

        def context() -> Any:
            found = real()

            def score(module: nn.Module) -> float:
                calls.append(1)
                if len(calls) == stop_at:
                    raise KeyboardInterrupt
                return found.score(module)

            return replace(found, score=score)

        monkeypatch.setattr(made.setup, "context", context)
        return made

    with pytest.raises(KeyboardInterrupt):
        run(stop_at=4).execute()
    calls.clear()
    resumed = run(stop_at=0).execute()
    assert resumed.ledger.stages[0].notes["epochs"] == 4
    assert resumed.manifest.content_hash == whole.manifest.content_hash


def test_a_pass_that_gains_nothing_is_rolled_back_and_the_base_is_returned(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_times(monkeypatch, lambda built: 1.0)
    monkeypatch.setattr("burnish.pipeline.workbench.folder_bytes", lambda folder: 1000)
    result = a_run(out, FIT, PRUNE, budget="accuracy>=-10pt").execute()
    assert [row.verdict for row in result.ledger.stages] == ["base", "rolled back"]
    assert "no measurable gain" in result.ledger.stages[1].reason
    assert result.ledger.best.label == "fit on eager"
    assert result.manifest.records == ()


def test_a_budget_that_cannot_be_kept_returns_the_best_and_a_warning(out: Path) -> None:
    result = a_run(out, FIT, PRUNE, budget="accuracy>=-10pt, parameters<=1").execute()
    assert "the budget's parameters<=1 is not kept by any candidate" in result.ledger.warnings
    assert result.ledger.best.chosen


def test_a_given_model_needs_no_fit(out: Path) -> None:
    model = tiny.trained().module
    work = tiny.workload(build=lambda: tiny.trained().module, trained=True)
    result = a_run(out, PRUNE, workload=work, budget="accuracy>=-30pt").execute()
    assert [(row.pass_name, row.verdict) for row in result.ledger.stages] == [("given", "base"), ("prune", "kept")]
    assert sum(row.parameters_before for row in result.ledger.layers) > sum(
        row.parameters_after for row in result.ledger.layers
    )
    assert torch.equal(model.head.weight, tiny.trained().module.head.weight)


# --- what is wrong is one clear error, and nothing half-written ------------------------------


def nothing_left(out: Path) -> bool:
    return not out.exists() or {path.name for path in out.iterdir()} <= {".burnish-lock"}


def refused(out: Path, kind: type[BurnishError], *steps: Step, **changes: Any) -> BurnishError:
    with pytest.raises(kind) as caught:
        a_run(out, *steps, **changes).execute()
    assert caught.value.where or caught.value.why
    assert caught.value.help
    assert nothing_left(out)
    return caught.value


def test_labels_out_of_range(out: Path) -> None:
    rows = tiny.rows(160, 0)
    targets = rows.targets.copy()
    targets[7] = 9
    error = refused(out, BadData, FIT, workload=tiny.workload(train=replace(rows, targets=targets)))
    assert error.what == "the label 9 is out of range"
    assert error.where == "train, column 'targets', row 7"


def test_not_a_number_in_the_data(out: Path) -> None:
    rows = tiny.rows(100, 2)
    images = np.array(rows.inputs["image"])
    images[3, 1, 2, 0] = np.nan
    error = refused(out, BadData, FIT, workload=tiny.workload(test=replace(rows, inputs={"image": images})))
    assert error.where == "test, column 'image', row 3, element (1, 2, 0)"


def test_not_a_number_in_the_loss(out: Path) -> None:
    work = tiny.workload(loss=lambda outputs, targets: outputs[0].sum() * float("nan"))
    error = refused(out, TrainingFailed, FIT, workload=work)
    assert error.what == "the loss is nan" and "training rows" in error.where


def test_too_few_calibration_samples(out: Path) -> None:
    step = Step(name="quantize", settings={"method": "ptq", "calibration_rows": 999})
    error = refused(out, BadData, FIT, step)
    assert error.where == "quantize.calibration_rows"
    with pytest.raises(BadData):  # before any training
        a_run(out, FIT, step)


def test_a_model_that_cannot_be_traced_is_refused_before_any_training(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = counted(monkeypatch)
    error = refused(out, Unsupported, FIT, workload=tiny.workload(build=Holder))
    assert error.where.startswith("inner (Moody)") and "test_preflight.py:" in error.where
    assert ran == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"budget": "acuracy>=-1pt"}, "nothing called 'acuracy' is measured"),
        ({"budget": "accuracy>=92"}, "accuracy goes from 0 to 1"),
        ({"budget": "latency<=-1ms"}, "no model can keep this limit"),
    ],
)
def test_an_impossible_budget_is_refused_before_any_work(out: Path, changes: dict[str, Any], what: str) -> None:
    assert what in refused(out, RecipeError, FIT, **changes).what


def test_an_impossible_ratio_is_refused_before_any_work(out: Path) -> None:
    with pytest.raises(RecipeError, match="ratio: Input should be less than 1") as caught:
        a_run(out, FIT, Step(name="prune", settings={"ratio": 1.5}))
    assert caught.value.where == "passes.1 (prune)"


def failing(code: int) -> Callable[..., Any]:
    def fail(*args: Any, **named: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("code", "what"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "cannot write here")],
    ids=["full", "read-only"],
)
def test_a_disk_that_fails_while_the_artifact_is_written_leaves_nothing_or_the_old_one(
    out: Path, monkeypatch: pytest.MonkeyPatch, code: int, what: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("burnish.artifact.save.shutil.copytree", failing(code))
        with pytest.raises(OutputError, match=what) as caught:
            a_run(out, FIT).execute()
        assert "--out" in caught.value.help
    assert nothing_left(out)
    good = a_run(out, FIT).execute()
    with monkeypatch.context() as patch:
        patch.setattr("burnish.artifact.save.save_state", failing(code))
        with pytest.raises(OutputError, match=what):
            a_run(out, FIT).execute()
    assert Manifest.from_json((out / "artifact" / "manifest.json").read_text()) == good.manifest
    assert not [path for path in out.iterdir() if path.name.startswith(".artifact")]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_while_a_stage_is_stored(out: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", failing(code))
        with pytest.raises(OutputError) as caught:
            a_run(out, FIT).execute()
        assert caught.value.where
    assert nothing_left(out)
    assert a_run(out, FIT).execute().ledger.best.chosen


def test_a_disk_that_fails_while_compiling(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.backends.kinds.eager.write_graph", failing(errno.ENOSPC))
    with pytest.raises(OutputError, match="the disk is full"):
        a_run(out, FIT).execute()
    assert nothing_left(out)


def test_a_bug_of_a_vendor_costs_its_candidate_and_not_the_run(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise LookupError("shapes differ\nand more lines")

    monkeypatch.setattr("burnish.backends.kinds.onnxruntime._quantize", broken)
    ledger = a_run(out, FIT, compile=Compile(backends=("eager", "onnxruntime"), target="eager")).execute().ledger
    assert {str(point.backend) for point in ledger.points} == {"eager", "onnxruntime"}
    assert [w for w in ledger.warnings if w.startswith("fit on onnxruntime dynamic: LookupError: shapes differ")]
    assert not [w for w in ledger.warnings if "and more lines" in w]


def test_an_output_folder_that_cannot_be_made(out: Path) -> None:
    out.parent.mkdir(exist_ok=True)
    out.write_text("a file")
    with pytest.raises(OutputError, match="a file is in the way"):
        a_run(out, FIT).execute()
    assert out.read_text() == "a file"


def test_two_runs_into_one_folder(out: Path) -> None:
    with lock_folder(out), pytest.raises(OutputError, match="another run is writing to this folder") as caught:
        a_run(out, FIT).execute()
    assert caught.value.where == str(out) and "--out" in caught.value.help


def test_a_recipe_of_which_nothing_works_says_why(out: Path) -> None:
    frozen = tiny.trained().module.requires_grad_(False)
    error = refused(out, RecipeError, FIT, workload=tiny.workload(build=lambda: frozen))
    assert error.what == "no pass gave a model" and "no trainable parameter" in error.help


def test_a_backend_that_was_named_but_cannot_run_is_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Availability(ok=False, reason="not installed: openvino", help="pip install openvino")
    monkeypatch.setattr("burnish.backends.kinds.openvino.find_package", lambda name: missing)
    with pytest.raises(MissingExtra, match="backend 'openvino' cannot run here") as caught:
        a_run(out, FIT, compile=Compile(backends=("openvino",))).execute()
    assert caught.value.help == "pip install openvino"
    assert nothing_left(out)


def test_how_much_may_be_lost_follows_from_the_budget(out: Path) -> None:
    work = tiny.workload()

    def drop(budget: str, score: float = 0.95) -> float:
        return max_drop(a_run(out, FIT, budget=budget).setup.budget, score, work)

    assert drop("accuracy>=-0.5pt") == pytest.approx(0.005)
    assert drop("accuracy>=90%") == pytest.approx(0.05)
    assert drop("accuracy>=99%") == 0.0
    assert drop("") == 0.01
