import importlib.metadata
import sys

import pytest

from burnish.core.doors import DOORS, PASSES, Door
from burnish.core.errors import BurnishError, UnknownName


@pytest.fixture
def door(tmp_path, monkeypatch):
    folder = tmp_path / "parts_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_helper.py").write_text("raise RuntimeError")
    (folder / "small_one.py").write_text('"""A small part.\n\nMore of it.\n"""\nPART = 1\n')
    (folder / "broken.py").write_text('"""Cannot be imported."""\nimport a_package_that_is_not_there\n')
    (folder / "bare.py").write_text("PART = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield Door("thing", "parts_of_a_test")
    for name in [name for name in sys.modules if name.startswith("parts_of_a_test")]:
        del sys.modules[name]


def plug(monkeypatch, *points):
    made = [importlib.metadata.EntryPoint(name, value, "parts_of_a_test") for name, value in points]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: made)


def test_names_come_from_files_and_nothing_is_imported(door):
    assert door.names() == ("bare", "broken", "small-one")
    assert door.describe("small-one") == "A small part."
    assert door.describe("broken") == "Cannot be imported."
    assert door.describe("bare") == door.describe("nothing") == ""
    assert not [name for name in sys.modules if name.startswith("parts_of_a_test.")]


def test_asking_imports_that_one_only(door):
    assert door.get("small-one") == 1
    assert [name for name in sys.modules if name.startswith("parts_of_a_test.")] == ["parts_of_a_test.small_one"]


def test_a_misspelling_names_the_nearest(door):
    with pytest.raises(UnknownName) as caught:
        door.get("smal-one")
    assert str(caught.value) == "unknown thing 'smal-one'\nhelp: did you mean 'small-one'?"


def test_an_import_error_is_shown(door):
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        door.get("broken")


def test_a_plugin_enters_by_its_entry_point(door, monkeypatch):
    plug(monkeypatch, ("pi", "math:pi"))
    assert door.names() == ("bare", "broken", "pi", "small-one")
    assert door.get("pi") == pytest.approx(3.14159, abs=1e-5)
    assert door.describe("pi") == "plugin: math:pi"


def test_a_plugin_that_cannot_be_imported_says_so(door, monkeypatch):
    plug(monkeypatch, ("gone", "a_package_that_is_not_there:x"))
    assert "gone" in door.names()
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        door.get("gone")


def test_two_providers_of_a_name_are_both_named(door, monkeypatch):
    plug(monkeypatch, ("small-one", "math:pi"))
    with pytest.raises(BurnishError, match="two providers of the thing 'small-one'") as caught:
        door.get("small-one")
    assert caught.value.where == "parts_of_a_test, math:pi"
    plug(monkeypatch, ("pi", "math:pi"), ("pi", "cmath:pi"))
    with pytest.raises(BurnishError, match="two providers") as caught:
        Door("thing", "parts_of_a_test").names()
    assert caught.value.where == "math:pi, cmath:pi"


def test_a_package_that_does_not_exist_has_no_parts():
    assert Door("thing", "a_package_that_is_not_there").names() == ()


def test_the_doors_of_the_house_have_parts_with_cards():
    for door in DOORS.values():
        assert door.names()
        assert all(door.describe(name) for name in door.names())
    assert {"fit", "prune", "quantize", "distill"} <= set(PASSES.names())
