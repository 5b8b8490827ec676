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
