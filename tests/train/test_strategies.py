"""Every registered strategy on several gloo ranks, against one process. The ranks are started once for each number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import burnish
from burnish.core.errors import UnknownName
from burnish.model.weights import load_tensors
from burnish.train.settings import FitSettings
from tests.train.rank_worker import MANY, RUNS, net, train

WORKER = Path(__file__).with_name("rank_worker.py")


def start(world: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(Path(burnish.__file__).parents[1]), str(WORKER.parents[2])]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    return subprocess.run(
        [*command, str(WORKER), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Matrix:
    """What the ranks found, and the weights they ended with."""

    def __init__(self, world: int, folder: Path) -> None:
        done = start(world, "matrix", str(folder))
        assert done.returncode == 0, done.stderr[-3000:]
        self.world = world
        self.found: dict[str, Any] = json.loads((folder / "found.json").read_text())
        self.weights = {path.stem: load_tensors(path) for path in folder.glob("*.safetensors")}


@pytest.fixture(scope="module", params=[1, 2, 4])
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return Matrix(request.param, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    found = {}
    for name, changes in RUNS.items():
        module = net()
        found[name] = (train(module, changes), module.state_dict())
    return found


def test_gradients_and_whole_runs_are_those_of_one_process(matrix: Matrix, alone: dict[str, Any]) -> None:
    """Also of batches that do not divide evenly, with clipping, accumulation and averaged weights."""
    for strategy in MANY:
        for count in (14, 5, 2):
            assert matrix.found[f"gradients {strategy} {count}"] <= 1e-6, (strategy, count)
        for name, (result, weights) in alone.items():
            losses = [record.loss for record in result.history]
            assert matrix.found[f"losses {strategy} {name}"] == pytest.approx(losses, abs=2e-6)
            for key, tensor in matrix.weights[f"{strategy}-{name}"].items():
                assert torch.allclose(tensor, weights[key], atol=1e-4 if "adamw" in str(RUNS[name]) else 1e-6), key


def test_memory_is_as_predicted_and_divided(matrix: Matrix) -> None:
    if matrix.world == 1:
        return
    for strategy in MANY:
        for name in RUNS:
            predicted, measured = matrix.found[f"memory {strategy} {name}"]
            assert predicted == pytest.approx(measured, rel=0.1)
    held = [matrix.found[f"memory {strategy} adamw"][1] for strategy in ("ddp", "zero1", "zero3")]
    assert held[0] > held[1] > held[2]


def test_auto_divides_nothing_that_fits(matrix: Matrix) -> None:
    assert matrix.found["auto"] == ("single" if matrix.world == 1 else "ddp")


def test_batch_statistics_end_the_same_on_all_ranks(matrix: Matrix) -> None:
    for strategy in MANY:
        assert matrix.found[f"statistics {strategy}"] == 0.0


def test_a_loss_that_is_not_finite_names_rank_and_rows(matrix: Matrix) -> None:
    for strategy in MANY:
        text = matrix.found[f"nan {strategy}"]
        assert "the loss is nan" in text
        assert "40" in text
        assert ("rank " in text) == (matrix.world > 1)


def test_an_optimizer_that_needs_whole_matrices_is_refused_where_they_are_divided(matrix: Matrix) -> None:
    assert not matrix.found["muon ddp"] and not matrix.found["muon zero1"]
    for strategy in set(MANY) - {"ddp", "zero1"}:
        assert "set strategy to zero1" in matrix.found[f"muon {strategy}"]


def test_an_unknown_strategy_names_the_nearest_one() -> None:
    with pytest.raises(UnknownName) as caught:
        FitSettings(strategy="zero33")
    assert "zero3" in caught.value.help


@pytest.mark.slow
@pytest.mark.parametrize("strategy", MANY)
def test_a_run_goes_on_on_other_numbers_of_ranks(strategy: str, tmp_path: Path) -> None:
    """2, then 1, then 3 ranks, against one process that was left alone."""
    for world, stop_after in ((2, 1), (1, 1), (3, 99)):
        done = start(world, "resume", str(tmp_path), strategy, str(stop_after))
        assert done.returncode == 0, done.stderr[-3000:]
    module = net()
    train(module, {"epochs": 4, "ema": 0.5, "keep_best": False}, score=lambda m: -float(m.training))
    for key, tensor in load_tensors(tmp_path / "weights.safetensors").items():
        assert torch.allclose(tensor, module.state_dict()[key], atol=1e-4), key


@pytest.mark.slow
def test_a_run_goes_on_under_other_strategies(tmp_path: Path) -> None:
    """Each takes over what another one wrote."""
    for strategy, stop_after in zip([*MANY[:3], MANY[-1]], (1, 1, 1, 99), strict=True):
        done = start(2, "resume", str(tmp_path), strategy, str(stop_after))
        assert done.returncode == 0, done.stderr[-3000:]
    module = net()
    train(module, {"epochs": 4, "ema": 0.5, "keep_best": False}, score=lambda m: -float(m.training))
    for key, tensor in load_tensors(tmp_path / "weights.safetensors").items():
        assert torch.allclose(tensor, module.state_dict()[key], atol=1e-4), key


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero3"])
def test_a_killed_rank_is_named_and_the_same_command_goes_on(strategy: str, tmp_path: Path) -> None:
    whole, stopped = (tmp_path / name for name in ("whole", "stopped"))
    for folder in (whole, stopped):
        folder.mkdir()
    (whole / "killed").touch()
    assert start(2, "killed", str(whole), strategy, "1", "1").returncode == 0
    done = start(2, "killed", str(stopped), strategy, "1", "1")
    assert done.returncode != 0
    assert "rank      : 1" in done.stderr and "SIGKILL" in done.stderr
    assert not (stopped / "weights.safetensors").exists()
    assert start(2, "killed", str(stopped), strategy, "1", "1").returncode == 0
    one, two = (load_tensors(folder / "weights.safetensors") for folder in (whole, stopped))
    assert all(torch.equal(one[key], two[key]) for key in one)
