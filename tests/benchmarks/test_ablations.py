from __future__ import annotations

from _lib.ablations import CRITERIA, variants

from burnish.core.doors import CRITERIA as DOOR
from burnish.pipeline.recipe import load_recipe, recipe_from


def test_every_variant_is_a_recipe_that_can_be_built() -> None:
    short = load_recipe("digits").to_dict()
    found = variants(short, "accuracy")
    for data in found.values():
        recipe_from(data).build_passes()
    assert {"only prune", "only quantize", "all together", "with the teacher", "without a teacher"} <= set(found)
    assert load_recipe("digits").to_dict() == short


def test_all_criteria_are_compared_with_chance() -> None:
    found = variants(load_recipe("digits").to_dict(), "accuracy")
    assert set(CRITERIA) == set(DOOR.names())
    assert len(CRITERIA) == 6
    for name in CRITERIA:
        data = found[f"prune by {name}"]
        assert data["passes"][1]["prune"]["criterion"] == name
        assert data["budget"] == "accuracy>=-100pt"
        assert len(data["passes"]) == 2


def test_recoveries_can_be_shortened() -> None:
    found = variants(load_recipe("digits").to_dict(), "accuracy", epochs=0.5)
    assert found["all together"]["passes"][1]["prune"]["recover"]["epochs"] == 0.5
    assert found["all together"]["passes"][2]["quantize"]["recover"]["epochs"] == 0.5


def test_without_a_teacher_no_pass_has_one() -> None:
    passes = variants(load_recipe("digits").to_dict(), "accuracy")["without a teacher"]["passes"]
    recovers = [next(iter(item.values()))["recover"] for item in passes if isinstance(item, dict)]
    assert recovers
    assert all(recover["teacher"] is False for recover in recovers)
