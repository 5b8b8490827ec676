from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from burnish.core.errors import RecipeError
from burnish.core.signature import Served
from burnish.core.yaml_file import read_yaml, to_yaml
from burnish.passes.kinds.prune import Prune
from burnish.pipeline.recipe import Recipe, Step, apply_override, load_recipe, recipe_from, shipped_recipes

SHORT: dict[str, Any] = {
    "workload": "digits",
    "budget": "accuracy>=-1pt",
    "passes": ["fit", {"prune": {"macs": 0.5, "recover": {"epochs": 2}}}, {"quantize": None}],
}


def test_the_short_form_becomes_typed_steps() -> None:
    recipe = recipe_from(SHORT)
    assert [step.name for step in recipe.passes] == ["fit", "prune", "quantize"]
    fit, prune, _ = recipe.build_passes()
    assert isinstance(prune, Prune) and prune.macs == 0.5 and prune.recover.epochs == 2
    assert fit.trains and not prune.trains


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_can_be_read_and_built(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.build_passes()
    assert recipe_from(recipe.to_dict()) == recipe


def test_yaml_there_and_back(tmp_path: Path) -> None:
    recipe = recipe_from(SHORT).model_copy(update={"served": (Served(batch=2, sizes={"length": 5}),), "seed": 3})
    path = tmp_path / "recipe.yaml"
    path.write_text(to_yaml(recipe.to_dict()))
    assert load_recipe(str(path)) == recipe
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("override", "step", "settings"),
    [
        ("passes.1.macs=0.3", 1, {"macs": 0.3, "recover": {"epochs": 2}}),
        ("passes.1.recover.epochs=7", 1, {"macs": 0.5, "recover": {"epochs": 7}}),
        ("prune.recover.epochs=7", 1, {"macs": 0.5, "recover": {"epochs": 7}}),
        ("quantize.method=ptq", 2, {"method": "ptq"}),
        ("passes.0.epochs=1.5", 0, {"epochs": 1.5}),
        ("passes.1.ignore=[head, stem]", 1, {"macs": 0.5, "recover": {"epochs": 2}, "ignore": ["head", "stem"]}),
    ],
)
def test_one_field_can_be_set(override: str, step: int, settings: dict[str, Any]) -> None:
    recipe = recipe_from(apply_override(SHORT, override))
    assert recipe.passes[step].settings == settings
    assert SHORT["passes"][1] == {"prune": {"macs": 0.5, "recover": {"epochs": 2}}}


def test_a_pass_with_empty_settings_can_be_set_too() -> None:
    assert recipe_from(apply_override(SHORT, "passes.2.method=ptq")).passes[2].settings == {"method": "ptq"}


def test_fields_of_the_recipe_itself_can_be_set() -> None:
    data = apply_override(apply_override(SHORT, "seed=4"), "compile.tolerance=0.1")
    recipe = recipe_from(data)
    assert (recipe.seed, recipe.compile.tolerance) == (4, 0.1)


@pytest.mark.parametrize(
    ("override", "what", "help"),
    [
        ("passes.1.macs", "cannot read --set 'passes.1.macs'", "prune.ratio=0.3"),
        ("passes.7.macs=0.3", "there is no pass number 7", "0 to 2"),
        ("passes.prune.macs=0.3", "there is no pass number prune", "0 to 2"),
        ("passes.1=fit", "does not name a field", "prune.ratio=0.3"),
        ("distill.epochs=1", "unknown field 'distill'", "passes"),
        ("prun.macs=0.3", "unknown field 'prun'", "did you mean 'prune'?"),
        ("seed.x.y=1", "does not lead to a field", ""),
        ("passes.1.macs=[0.3", "cannot read the value", "put it in quotes"),
    ],
)
def test_a_set_that_leads_nowhere_says_so(override: str, what: str, help: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from(apply_override(SHORT | {"seed": 0}, override))
    assert what in caught.value.what + caught.value.where
    assert help in caught.value.help


def test_a_name_that_two_passes_share_asks_which_one() -> None:
    twice = SHORT | {"passes": ["fit", {"prune": {"macs": 0.5}}, {"prune": {"macs": 0.3}}]}
    with pytest.raises(RecipeError, match="there are 2 such passes") as caught:
        apply_override(twice, "prune.recover.epochs=1")
    assert caught.value.help == "write passes.1.recover.epochs or passes.2.recover.epochs"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"passes": ["prun"]}, "unknown pass 'prun'\nhelp: did you mean 'prune'?"),
        (
            {"passes": [{"prune": {"ratioo": 0.3}}]},
            "unknown field 'ratioo' (passes.0 (prune))\nhelp: did you mean 'ratio'?",
        ),
        (
            {"passes": [{"prune": {"ratio": 0.3, "criterion": "tailor"}}]},
            "unknown criterion 'tailor' (passes.0 (prune))\nhelp: did you mean 'taylor'?",
        ),
        (
            {"passes": [{"prune": {"ratio": 2}}]},
            "ratio: Input should be less than 1 (passes.0 (prune))\nwhy: got 2\nhelp: ratio: share of",
        ),
        (
            {"passes": [{"prune": {"ratio": 0.3, "recover": {"epoch": 1}}}]},
            "unknown field 'recover.epoch' (passes.0 (prune))\nhelp: did you mean 'epochs'?",
        ),
        ({"compile": {"backends": ["openvin"]}}, "unknown backend 'openvin'\nhelp: did you mean 'openvino'?"),
        ({"compile": {"target": "onxruntime"}}, "unknown backend 'onxruntime'\nhelp: did you mean 'onnxruntime'?"),
        (
            {"compile": {"toleranc": 1}},
            "unknown field 'compile.toleranc' (recipe)\nhelp: did you mean 'tolerance'?",
        ),
        ({"bugdet": ""}, "unknown field 'bugdet' (recipe)\nhelp: did you mean 'budget'?"),
        (
            {"passes": [{"fit": {}, "prune": {}}]},
            "each pass is a name, or a name with settings (passes.0)\nhelp: write `- prune: {ratio: 0.3}`",
        ),
        ({"seed": "x"}, "seed: Input should be a valid integer"),
        ({"passes": "fit"}, "passes is not a list (recipe)\nhelp: "),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_error_with_place_and_fix(change: dict[str, Any], text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from(SHORT | change).build_passes()
    assert str(caught.value).startswith(text)


def test_a_recipe_without_a_workload_says_what_is_missing() -> None:
    with pytest.raises(RecipeError, match="workload: Field required"):
        recipe_from({"passes": ["fit"]})


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown recipe 'digit'") as caught:
        load_recipe("digit")
    assert caught.value.help == "did you mean 'digits'?"
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(str(tmp_path / "none.yaml"))
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1\nb: 2\n")
    with pytest.raises(RecipeError, match="not YAML") as caught:
        load_recipe(str(bad))
    assert caught.value.where.startswith(f"{bad}:2:")
    bad.write_text("- fit\n")
    with pytest.raises(RecipeError, match="a recipe is a mapping"):
        load_recipe(str(bad))
    bad.write_bytes(b"a: \xff\xfe")
    with pytest.raises(RecipeError, match="not YAML"):
        read_yaml(bad)


def test_a_step_knows_where_it_stands() -> None:
    with pytest.raises(RecipeError) as caught:
        Step(name="fit", settings={"epochs": -1}).build(3)
    assert caught.value.where == "passes.3 (fit)"
