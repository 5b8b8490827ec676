import sys

import pytest

from burnish.core.errors import RecipeError, UnknownName
from burnish.workloads.registry import get


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_builtin_by_name_with_settings():
    assert get("digits", seed=3).name == "digits"


def test_a_folder_of_the_same_name_does_not_hide_a_builtin(here):
    (here / "digits").mkdir()
    assert get("digits").name == "digits"
    with pytest.raises(UnknownName, match="no workload"):
        get("./digits")


def test_settings_are_checked_before_anything_is_loaded():
    with pytest.raises(RecipeError, match=r"unknown setting 'sed' of the workload digits\nhelp: did you mean 'seed'"):
        get("digits", sed=3)
    with pytest.raises(RecipeError, match=r"did you mean 'depth'"):
        get("cifar10-resnet", deph=20)
    with pytest.raises(RecipeError, match="depth 21"):
        get("cifar10-resnet", depth=21)


def test_a_misspelt_name_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        get("digit")


def test_a_function_of_the_users(here):
    (here / "mine_one.py").write_text(
        "from burnish.workloads.registry import get\n"
        "def small(*, seed=0, **more):\n    return get('digits', seed=seed)\n"
        "def number():\n    return 3\n"
        "constant = 4\n"
    )
    assert get("mine_one:small", seed=1, anything=2).title == get("digits").title
    with pytest.raises(RecipeError, match="returned int, not a Workload"):
        get("mine_one:number")
    with pytest.raises(RecipeError, match="did you mean 'small'"):
        get("mine_one:smal")
    with pytest.raises(RecipeError, match="int, not a function"):
        get("mine_one:constant")
    with pytest.raises(RecipeError, match="it has no settings"):
        get("mine_one:number", depth=2)


def test_modules_that_cannot_be_imported(here):
    (here / "mine_two.py").write_text("import no_such_helper_module\n")
    with pytest.raises(RecipeError, match="No module named 'no_such_helper_module'"):
        get("mine_two:make")
    with pytest.raises(RecipeError, match="cannot be imported"):
        get("no_such_module_at_all:make")
    with pytest.raises(RecipeError, match="names no module"):
        get(":make")


def test_a_folder_without_a_model(here):
    (here / "empty").mkdir()
    with pytest.raises(UnknownName, match=r"config\.json"):
        get("empty")
