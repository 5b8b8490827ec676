import pytest

from burnish.core import errors
from burnish.core.errors import BurnishError, did_you_mean


def test_an_error_prints_what_where_why_and_help():
    error = BurnishError("it broke", where="layer 3", why="it was old", help="buy another")
    assert str(error) == "it broke (layer 3)\nwhy: it was old\nhelp: buy another"


def test_parts_that_are_not_known_are_left_out():
    assert str(BurnishError("it broke")) == "it broke"
    assert str(BurnishError("it broke", help="mend it")) == "it broke\nhelp: mend it"


@pytest.mark.parametrize("name", [n for n, kind in vars(errors).items() if isinstance(kind, type) and n != "Iterable"])
def test_every_error_is_a_burnish_error_with_a_docstring(name):
    kind = getattr(errors, name)
    assert issubclass(kind, BurnishError) and kind.__doc__


def test_the_nearest_name_is_suggested_or_all_are_shown():
    assert did_you_mean("prun", ["prune", "fit"]) == "did you mean 'prune'?"
    assert did_you_mean("xyz", ["prune", "fit"]) == "known: fit, prune"
    assert did_you_mean("xyz", []) == "nothing is registered here"
