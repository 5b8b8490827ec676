from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from burnish.core.errors import RecipeError
from burnish.data.split import Split
from burnish.model.variant import Variant
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.kinds.distill import Distill
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.train.norms import norms, recalibrate
from burnish.train.settings import FitSettings
from tests import tiny


@pytest.mark.parametrize(("patience", "keeps_best"), [(0, False), (2, True)])
def test_a_recovery_ends_with_its_last_weights_unless_it_stops_early(patience, keeps_best):
    found = Recover(epochs=2.0, patience=patience).fit_settings(FitSettings(learning_rate=0.3))
    assert found.keep_best is keeps_best
    assert found.patience == patience
    assert found.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize(("told", "found"), [(None, 0.3), (0.0, 0.0), (0.1, 0.1)])
def test_weight_decay_is_the_workloads_unless_told(told, found):
    base = FitSettings(weight_decay=0.3)
    assert Recover(weight_decay=told).fit_settings(base).weight_decay == found
    assert Prune(ratio=0.5, recover=Recover(weight_decay=told)).trainings(base)[0].weight_decay == found
    assert Quantize(recover=Recover(weight_decay=told)).trainings(base)[0].weight_decay == found


def fresh():
    return Variant(module=tiny.workload().build())


def trained(**settings):
    torch.manual_seed(0)
    module = tiny.workload().build()
    context = tiny.context()
    recover(Variant(module=module), context, Recover(epochs=2.0, learning_rate=1e-2, **settings), label="recover")
    return module, context.score(module)


@pytest.mark.parametrize("teacher", [True, False])
def test_a_recovery_follows_a_curriculum(teacher):
    plain, easy = trained(teacher=teacher), trained(teacher=teacher, curriculum="easy")
    assert easy[1] > 0.4  # by chance 0.2
    assert any(not torch.equal(a, b) for a, b in zip(plain[0].parameters(), easy[0].parameters(), strict=True))


@pytest.mark.parametrize("teacher", [True, False])
def test_a_teacher_is_heard_about_doubted_rows_too(teacher, monkeypatch):
    context = tiny.context()
    wrong = np.random.default_rng(0).random(160) < 0.2
    train = replace(context.train, targets=np.where(wrong, (context.train.targets + 1) % 5, context.train.targets))
    seen: list[int] = []
    take = Split.batch

    def noted(self, rows, generator=None, **more):
        seen.extend(rows.tolist())
        return take(self, rows, generator, **more)

    monkeypatch.setattr(Split, "batch", noted)
    monkeypatch.setattr("burnish.passes.distillation.recover.settle", lambda *_, **__: None)
    settings = Recover(epochs=1.0, teacher=teacher, weighting="doubt")
    notes = recover(fresh(), replace(context, train=train), settings, label="recover")
    assert notes["weighting"].endswith("rows are left out")
    assert (len(set(seen)) == 160) == teacher


def test_statistics_are_measured_anew_after_a_recovery_on_rows_as_they_were_trained_on():
    found, _ = trained()
    context = tiny.context()
    again = copy.deepcopy(found)
    for norm in norms(again):
        norm.running_mean.fill_(7.0)
    recalibrate(again, context.train.shuffled(context.fit.batch_size, seed=context.seed, epoch=2))
    for mine, theirs in zip(norms(found), norms(again), strict=True):
        torch.testing.assert_close(mine.running_mean, theirs.running_mean)
        torch.testing.assert_close(mine.running_var, theirs.running_var)


def test_rows_without_labels_are_not_easy_or_hard():
    context = tiny.context(unlabelled=tiny.rows(40, 5))
    with pytest.raises(RecipeError) as caught:
        recover(fresh(), context, Recover(epochs=1.0, curriculum="easy"), label="recover")
    assert caught.value.where == "curriculum"
    assert recover(fresh(), context, Recover(epochs=0.2, curriculum="random"), label="r")["rows"] == 200


@pytest.mark.parametrize(("kind", "more"), [(Prune, {"ratio": 0.3}), (Quantize, {})])
def test_recipes_name_the_field_that_a_recovery_does_not_have(kind, more):
    kind.parse({"recover": {"curriculum": "easy", "weighting": "trust"}} | more)
    for field, value in (("strategy", "zero33"), ("curriculum", "hard"), ("weighting", "trusty")):
        with pytest.raises(RecipeError, match=field):
            kind.parse({"recover": {field: value}} | more)


def test_distill_has_the_same_fields():
    assert Distill.parse({"curriculum": "random"}).fit_settings(FitSettings()).curriculum == "random"
    with pytest.raises(RecipeError, match="schedule"):
        Distill.parse({"schedule": "linear"})


def test_a_recovery_says_itself_whether_activations_are_computed_again():
    base = FitSettings(checkpoint_activations=True)
    assert not Recover().fit_settings(base).checkpoint_activations
    assert Recover(checkpoint_activations=True).fit_settings(base).checkpoint_activations
