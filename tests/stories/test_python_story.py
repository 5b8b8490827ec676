"""`burnish.optimize(...)` on a plain module: arrays, tensors, a data loader; what is wrong is said."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import burnish
from burnish.core.errors import BadData, RecipeError
from burnish.core.progress import Silent
from burnish.pipeline.recipe import Compile, Recipe, Step
from tests import tiny
from tests.pipeline.fake import PRUNE, fake_times

BUDGET = "accuracy>=-30pt"


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_times(monkeypatch)
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


def recipe(*steps: Step) -> Recipe:
    eager = Compile(backends=("eager",), target="eager", tolerance=0.05)
    gentle = Step(name="prune", settings={**PRUNE.settings, "macs": 0.7})
    return Recipe(workload="mine", passes=steps or (gentle,), compile=eager, threads=1)


def arrays(count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    split = tiny.rows(count, seed)
    return np.asarray(split.inputs["image"]), np.asarray(split.targets)


def optimize(out: Path, **changes: Any) -> burnish.Optimized:
    given = {"train": arrays(160, 0), "test": arrays(100, 2), "budget": BUDGET, "recipe": recipe()}
    return burnish.optimize(tiny.trained().module, out=out, progress=Silent(), **(given | changes))


def test_arrays_in_a_callable_out_and_the_model_is_left_alone(out: Path) -> None:
    model = tiny.trained().module
    before = copy.deepcopy(model.state_dict())
    result = burnish.optimize(
        model, train=arrays(160, 0), test=arrays(100, 2), budget=BUDGET, recipe=recipe(), out=out, progress=Silent()
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert result.ledger.stages[0].pass_name == "given"
    assert result.ledger.best.label == "prune on eager"
    images, targets = arrays(100, 3)
    with result.load() as fast:
        scores = fast(images)
    assert isinstance(scores, np.ndarray)
    assert float((scores.argmax(1) == targets).mean()) > 0.6
    assert "smaller" in str(result) and result._repr_html_().startswith("<iframe")
    assert burnish.verify(result.artifact)


def loader(count: int, seed: int) -> DataLoader[Any]:
    images, targets = arrays(count, seed)
    return DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(targets)), batch_size=32)


def test_data_loaders_give_the_same_as_arrays(out: Path, tmp_path: Path) -> None:
    one = optimize(out, train=loader(160, 0), test=loader(100, 2))
    two = optimize(tmp_path / "two")
    assert one.ledger.best.test == two.ledger.best.test
    assert two.ledger.stages[1].cached


def test_a_metric_and_a_loss_of_ones_own(out: Path) -> None:
    def hits(predictions: Any, targets: Any) -> float:
        return float((predictions.argmax(1) == targets).mean())

    result = optimize(out, metric=hits, loss=torch.nn.functional.cross_entropy, budget="hits>=0.3")
    assert result.ledger.metric == "hits" and result.ledger.best.test is not None


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"metric": "acuracy"}, RecipeError, "unknown metric 'acuracy'\nhelp: did you mean 'accuracy'?"),
        ({"loss": "cross_entrop"}, RecipeError, "unknown loss 'cross_entrop'\nhelp: did you mean 'cross_entropy'?"),
        ({"budget": "acc>=1"}, RecipeError, "nothing called 'acc' is measured"),
        ({"train": 3}, BadData, "cannot read int as rows"),
        ({"train": ({"imag": np.zeros((4, 3, 12, 12))}, np.zeros(4))}, BadData, "the model has no argument 'imag'"),
        ({"train": (np.zeros((4, 3, 12, 12)), np.zeros(3))}, BadData, "4 rows of 'image' but 3 targets"),
        ({"test": (arrays(100, 2)[0], np.full(100, 17))}, BadData, "the label 17 is out of range"),
        ({"test": (np.full((20, 3, 12, 12), np.nan), np.zeros(20, int))}, BadData, "nan in the data"),
    ],
)
def test_what_is_wrong_is_one_error_and_nothing_is_written(
    out: Path, changes: dict[str, Any], kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind) as caught:
        optimize(out, **changes)
    assert str(caught.value).startswith(what)
    assert not out.exists() or [path.name for path in out.iterdir()] == [".burnish-lock"]


def test_without_a_recipe_one_is_composed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[Recipe] = []

    def compose(*arguments: Any) -> Recipe:
        composed.append(recipe())
        return composed[0]

    monkeypatch.setattr("burnish.api.compose", compose)
    optimize(out, recipe=None)
    assert len(composed) == 1
