from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import RecipeError
from burnish.serve.rollout.router import Route, Router, Why
from burnish.serve.rollout.settings import Rollout

CANARY = Rollout(labels={"stable": "3", "new": "4"}, candidate="new", weight=0.25, sticky="x-user")


def router(settings=CANARY, versions=("1", "3", "4", "10"), **how):
    return Router("digits", settings, versions, **how)


def test_who_answers_without_settings_is_the_highest_version():
    assert router(Rollout()).choose("", "", "") == Route("10", Why.DEFAULT)
    assert router(Rollout(candidate="10", weight=0.5)).stable == "4"
    assert Router("digits", Rollout(), ()).choose("", "", "") is None


def test_versions_and_labels_are_taken_by_name():
    assert router().choose("1", "", "always") == Route("1", Why.VERSION)
    assert router().choose("stable", "", "") == Route("3", Why.LABEL)
    assert router().choose("7", "", "") is None


@given(st.text(min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_key_always_goes_the_same_way_and_a_larger_share_keeps_whom_it_had(key, one, other):
    def goes(weight, seed):
        return router(CANARY.model_copy(update={"weight": weight}), seed=seed).choose("", key, "").version

    small, large = sorted((one, other))
    assert goes(small, 0) == goes(small, 1)
    assert (goes(small, 0), goes(large, 0)) != ("4", "3")


def test_the_share_is_as_large_as_it_should_be():
    for key in (lambda i: f"request {i}", lambda _: ""):
        one = router()
        found = [one.choose("", key(i), "").version for i in range(4000)]
        assert 0.22 < found.count("4") / 4000 < 0.28
        assert set(found) == {"3", "4"}


def test_without_a_key_the_same_seed_gives_the_same_way():
    ways = []
    for seed in (1, 1, 2):
        one = router(seed=seed)
        ways.append([one.choose("", "", "").version for _ in range(200)])
    assert ways[0] == ways[1] != ways[2]


def test_the_header_or_parameter_says_where_to():
    one = router()
    assert one.choose("", "", one.told({"x-canary": "Always"}, {})) == Route("4", Why.HEADER)
    assert one.choose("", "", one.told({}, {"x-canary": True})) == Route("4", Why.HEADER)
    assert {one.choose("", "", one.told({"x-canary": "never"}, {})).version for _ in range(100)} == {"3"}


def test_the_sticky_header_goes_before_the_request_id():
    assert router().key({"x-user": "ann"}, "17") == "ann"
    assert router().key({}, "17") == "17"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": {"stable": "7"}}, "no version '7'"),
        ({"candidate": "new"}, "no version or label 'new'"),
        ({"labels": {"stable": "4"}, "candidate": "4"}, "is the stable one already"),
    ],
)
def test_settings_must_fit_the_versions(settings, message):
    with pytest.raises(RecipeError, match=message):
        router(Rollout(**settings)).check()


def test_what_is_gone_is_as_if_it_were_not_named():
    one = router(versions=("1", "10"))
    assert (one.stable, one.candidate, one.labels) == ("10", "", {})
    assert one.trimmed == Rollout()
