from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.train.curriculum import draw, pace
from burnish.train.settings import FitSettings


def told(start: float, share: float):
    """Settings whose first stage has at least this share of the rows, and whose stages last at most so long."""
    return st.builds(
        FitSettings,
        epochs=st.integers(4, 30),
        curriculum=st.just("easy"),
        curriculum_stages=st.integers(1, 4),
        curriculum_start=st.floats(start, 1.0),
        curriculum_share=st.floats(0.05, share),
    )


@given(told(start=0.75, share=0.3), st.integers(4, 500))
def test_over_the_run_every_row_comes_equally_often(settings, count):
    each = [pace(settings, count, epoch) for epoch in range(int(settings.epochs))]
    assert all(often.mean() == pytest.approx(1) for often in each)
    assert np.sum(each, axis=0) == pytest.approx(settings.epochs, rel=1e-6)


@given(told(start=0.1, share=0.9), st.integers(4, 500), st.integers(0, 30))
def test_hard_rows_come_in_later_and_no_row_goes_again(settings, count, epoch):
    now, later = pace(settings, count, epoch), pace(settings, count, epoch + 1)
    assert ((later > 0) | (now == 0)).all() and now[0] > 0
    assert (np.diff(now) <= 0).all() if now.min() == 0 else now.min() >= 0.25


@given(st.lists(st.floats(0, 5), min_size=2, max_size=200).filter(lambda often: sum(often) > 0.1), st.integers(1, 400))
def test_drawn_as_often_as_asked_rounded_up_or_down(often, count):
    wanted = np.array(often) * count / sum(often)
    found = np.bincount(draw(np.array(often), count, 7), minlength=len(often))
    assert found.sum() == count
    assert (found >= np.floor(wanted - 1e-9)).all() and (found <= np.ceil(wanted + 1e-9)).all()


def test_the_same_seed_draws_the_same_rows():
    often = np.linspace(0.5, 1.5, 50)
    assert (draw(often, 50, 3) == draw(often, 50, 3)).all()
    assert (draw(often, 50, 3) != draw(often, 50, 4)).any()
