"""A recipe on two ranks: the same model as on one; a rank that dies is named, and the same command goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import burnish
from burnish.core.errors import RecipeError, TrainingFailed, Unsupported
from burnish.core.evidence import Evidence, Ledger
from burnish.core.progress import Silent
from burnish.model.weights import load_tensors
from burnish.pipeline.cache import VariantCache
from burnish.pipeline.recipe import Step
from burnish.pipeline.setup import Setup
from burnish.train.launch import launch
from burnish.train.ranks import Ranks
from tests import tiny
from tests.pipeline.fake import FIT, PRUNE, a_run, recipe
from tests.pipeline.team_worker import a_run as digits_run

WORKER = Path(__file__).with_name("team_worker.py")


@pytest.mark.parametrize(
    ("step", "where", "text"),
    [
        (Step(name="fit", settings={"precision": "fp16"}), "passes.0 (fit): precision", "fp16"),
        (Step(name="fit", settings={"strategy": "single"}), "passes.0 (fit): strategy", "one rank"),
        (Step(name="fit", settings={"strategy": "zero3", "optimizer": "muon"}), "passes.0 (fit): strategy", "muon"),
        (Step(name="fit", settings={"compile": True}), "passes.0 (fit): compile", "compiled"),
        (Step(name="distill", settings={"strategy": "single"}), "passes.0 (distill): strategy", "one rank"),
    ],
)
def test_what_several_ranks_cannot_train_is_said_before_anything_is(
    step: Step, where: str, text: str, tmp_path: Path
) -> None:
    with pytest.raises((RecipeError, Unsupported), match=text) as caught:
        a_run(tmp_path / "out", step, PRUNE, devices=2)
    assert caught.value.where == where
    assert Setup(recipe=recipe(step, PRUNE), workload=tiny.workload(), progress=Silent()).ranks == Ranks()


def test_a_recipe_for_several_devices_is_not_run_on_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is one rank"):
        a_run(tmp_path / "out", FIT, devices=2).execute()
    assert not (tmp_path / "out").exists()


def test_the_strategy_of_a_training_is_no_part_of_its_key(tmp_path: Path) -> None:
    keys = []
    for strategy in ("auto", "zero1"):
        shared = {"strategy": strategy}
        steps = [
            Step(name="fit", settings=FIT.settings | shared),
            Step(name="prune", settings={"macs": 0.5, "recover": shared}),
            Step(name="quantize", settings={"calibration_rows": 16, "recover": shared}),
            Step(name="distill", settings=shared),
        ]
        keys.append(_keys(a_run(tmp_path, *steps).setup))
    assert keys[0] == keys[1]


def _keys(setup: Setup) -> list[str]:
    from burnish.pipeline.keys import stage_key

    key, found = setup.first_key(), []
    for step, pass_ in zip(setup.recipe.passes, setup.passes, strict=True):
        key = stage_key(key, step.name, pass_, setup.context())
        found.append(key)
    return found


def on_two_ranks(monkeypatch: pytest.MonkeyPatch, cache: Path, *arguments: object) -> None:
    paths = [str(Path(burnish.__file__).parents[1]), str(WORKER.parents[2])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("BURNISH_CACHE", str(cache))
    launch([str(WORKER), *map(str, arguments)], devices=2)


def ledger(out: Path) -> dict[str, Evidence]:
    found = Ledger.from_json((out / "ledger.json").read_text())
    return {row.pass_name: row for row in found.stages}


def weights(cache: Path, row: Evidence) -> dict[str, torch.Tensor]:
    assert row.key in VariantCache(cache)
    return load_tensors(cache / "variants" / row.key / "weights.safetensors")


@pytest.mark.slow
def test_two_ranks_end_where_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit by DDP, recoveries after a cut and with the rounding by ZeRO-1, with the uncut model as teacher."""
    on_two_ranks(monkeypatch, tmp_path / "two", tmp_path / "out-two")
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "one"))
    digits_run(tmp_path / "out-one", Ranks(), monkeypatch).execute()
    one, two = ledger(tmp_path / "out-one"), ledger(tmp_path / "out-two")
    for name in ("fit", "prune", "quantize"):
        notes = two[name].notes if name == "fit" else two[name].notes["recovery"]
        assert (notes["strategy"], notes["ranks"]) == ("ddp" if name == "fit" else "zero1", 2)
        assert "ranks" not in (one[name].notes if name == "fit" else one[name].notes["recovery"])
        assert two[name].key == one[name].key and two[name].verdict == one[name].verdict
        assert two[name].measured["validation"].value == pytest.approx(one[name].measured["validation"].value, abs=0.01)
    for name, tolerance in (("fit", 1e-3), ("prune", 5e-3)):
        alone, both = weights(tmp_path / "one", one[name]), weights(tmp_path / "two", two[name])
        assert alone.keys() == both.keys()
        for key, tensor in alone.items():
            assert torch.allclose(tensor, both[key], atol=tolerance), (name, key)


@pytest.mark.slow
def test_a_rank_that_dies_is_named_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 1 dies in the second epoch of the recovery after the cut; fit and first epoch are not trained again."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    (whole / "once").touch()
    on_two_ranks(monkeypatch, whole / "cache", whole / "out", whole / "once", 180)
    with pytest.raises(TrainingFailed, match="rank 1 of 2 was killed by signal 9"):
        on_two_ranks(monkeypatch, cut / "cache", cut / "out", cut / "once", 180)
    assert (cut / "once").exists() and not (cut / "out" / "artifact").exists()
    assert list((cut / "cache" / "scratch").glob("*/recover-1-of-1"))
    on_two_ranks(monkeypatch, cut / "cache", cut / "out", cut / "once", 180)
    one, two = ledger(whole / "out"), ledger(cut / "out")
    assert two["fit"].cached and not two["prune"].cached
    for name in ("fit", "prune", "quantize"):
        left, right = weights(whole / "cache", one[name]), weights(cut / "cache", two[name])
        assert all(torch.equal(tensor, right[key]) for key, tensor in left.items()), name
