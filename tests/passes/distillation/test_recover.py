from __future__ import annotations

import pytest

from burnish.passes.distillation.recover import Recover
from burnish.train.settings import FitSettings


@pytest.mark.parametrize(("patience", "keeps_best"), [(0, False), (2, True)])
def test_a_recovery_ends_with_its_last_weights_unless_it_stops_early(patience, keeps_best):
    found = Recover(epochs=2.0, patience=patience).fit_settings(FitSettings(learning_rate=0.3))
    assert found.keep_best is keeps_best
    assert found.patience == patience
    assert found.learning_rate == pytest.approx(0.1)


def test_a_recovery_says_itself_whether_activations_are_computed_again():
    base = FitSettings(checkpoint_activations=True)
    assert not Recover().fit_settings(base).checkpoint_activations
    assert Recover(checkpoint_activations=True).fit_settings(base).checkpoint_activations
