from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch

from burnish.core.errors import BadData, MissingData, RecipeError
from burnish.data.samples.look import look
from burnish.data.split import Split
from burnish.data.tables.samples import write_samples
from burnish.passes.distillation.recover import Recover
from burnish.passes.kinds.distill import Distill
from burnish.passes.kinds.fit import Fit
from burnish.train.settings import FitSettings
from burnish.train.weighting import build_weighting
from burnish.workloads.registry import get


@pytest.fixture(scope="module")
def noisy() -> tuple[Split, np.ndarray]:
    """600 digits of which every fifth is called the next one, and which those are."""
    train = get("digits").train.take(slice(0, 600))
    wrong = np.arange(600) % 5 == 0
    return replace(train, targets=np.where(wrong, (train.targets + 1) % 10, train.targets)), wrong


@pytest.fixture(scope="module")
def file(noisy, tmp_path_factory):
    """What `burnish data check --out` writes of them."""
    split, _ = noisy
    found = look(split, split.take(slice(0, 20)), classes=True, limit=1000).columns
    path = tmp_path_factory.mktemp("columns") / "columns.parquet"
    write_samples(replace(found, data=split.fingerprint(), data_rows=len(split)), path)
    return path


def built(split: Split, weights: object) -> torch.Tensor:
    weighting = build_weighting(FitSettings(weighting="column", weights=str(weights)), split)
    assert weighting is not None
    return weighting.weights(torch.ones(len(split)), torch.arange(len(split)))


def test_rows_count_as_the_file_says_from_the_first_step_on(noisy, file):
    split, wrong = noisy
    weights = built(split, file).numpy()
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[wrong].mean() < 0.3 * weights[~wrong].mean()


def test_weights_changed_with_another_tool_are_taken(noisy, file, tmp_path):
    split, _ = noisy
    table = pyarrow.parquet.read_table(file).to_pydict()
    table["weight"] = [4.0 if row < 100 else 1.0 for row in table["row"]]
    other = tmp_path / "changed.parquet"
    pyarrow.parquet.write_table(pyarrow.table(table), other)
    weights = built(split, other)
    assert weights[:100].mean() == pytest.approx(4 * float(weights[100:].mean()), rel=1e-4)


def test_rows_of_weight_zero_are_not_drawn_and_count_nothing(noisy, file, tmp_path):
    split, wrong = noisy
    table = pyarrow.parquet.read_table(file).to_pydict()
    table["weight"] = [0.0 if wrong[row] else 1.0 for row in table["row"]]
    other = tmp_path / "filtered.parquet"
    pyarrow.parquet.write_table(pyarrow.table(table), other)
    weighting = build_weighting(FitSettings(weighting="column", weights=str(other)), split)
    assert weighting is not None and weighting.kept is not None
    assert weighting.found == "120 of 600 rows weigh 0 and are left out"
    assert (weighting.kept.numpy() == ~wrong).all()
    assert (built(split, other).numpy()[wrong] == 0).all()
    again = build_weighting(FitSettings(weighting="column", weights=str(file)), split)
    assert again is not None
    again.load(weighting.state())
    assert (again.kept.numpy() == ~wrong).all()
    table["weight"] = [0.0] * len(table["row"])
    pyarrow.parquet.write_table(pyarrow.table(table), other)
    if len(table["row"]) == len(split):
        with pytest.raises(BadData, match="all weights are 0"):
            built(split, other)


def test_weights_of_other_data_are_refused(noisy, file):
    split, wrong = noisy
    with pytest.raises(BadData, match="made from 600 rows, and there are 599 training rows"):
        built(split.take(slice(0, 599)), file)
    with pytest.raises(BadData, match="the hash of the rows"):
        built(replace(split, targets=np.where(wrong, 0, split.targets)), file)


def test_rows_that_were_not_looked_at_weigh_one(noisy, file, tmp_path):
    split, _ = noisy
    table = pyarrow.parquet.read_table(file).slice(0, 3).to_pydict() | {"weight": [2.0, 2.0, 2.0]}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "few.parquet")
    weights = built(split, tmp_path / "few.parquet")
    assert weights[0] == pytest.approx(2 * float(weights[10]))


@pytest.mark.parametrize(("weight", "said"), [(-1.0, "below 0"), (float("nan"), "or none"), (1.0, "all weights")])
def test_weights_that_cannot_be_used_are_refused(noisy, file, tmp_path, weight, said):
    split, _ = noisy
    table = pyarrow.parquet.read_table(file).to_pydict()
    table["weight"] = [weight] * len(table["row"])
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "bad.parquet")
    with pytest.raises(BadData, match=said):
        built(split, tmp_path / "bad.parquet")


def test_without_a_file_the_error_names_the_field(noisy, tmp_path):
    split, _ = noisy
    with pytest.raises(RecipeError) as caught:
        built(split, "")
    assert caught.value.where == "weights"
    with pytest.raises(MissingData):
        built(split, tmp_path / "none.parquet")


@pytest.mark.parametrize("kind", [FitSettings, Fit, Recover, Distill])
def test_a_recipe_without_the_file_is_refused_when_it_is_read(kind):
    with pytest.raises(RecipeError, match="file of weights") as caught:
        kind.parse({"weighting": "column"})
    assert caught.value.where == "weights"
    assert kind.parse({"weighting": "column", "weights": "rows.parquet"}).files == (Path("rows.parquet"),)
    assert kind.parse({}).files == ()
