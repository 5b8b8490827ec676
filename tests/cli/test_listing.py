import pytest

from burnish.cli import listing
from burnish.core.doors import Door
from burnish.core.errors import UnknownName
from burnish.core.noun import Field, Noun


class Inner(Noun):
    epochs: float = 2.0


class Outer(Noun):
    """A made-up pass."""

    ratio: float = Field(gt=0, lt=1, description="share to remove")
    names: tuple[str, ...] = ()
    inner: Inner = Inner()


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Door]:
    class Fixed(Door):
        def __init__(self, kind: str, known: dict[str, object]) -> None:
            super().__init__(kind, f"made_up.{kind}")
            self.known = known

        def names(self) -> tuple[str, ...]:
            return tuple(sorted(self.known))

        def describe(self, name: str) -> str:
            return f"what {name} is"

        def get(self, name: str) -> object:
            return self.known[name]

    made_up: dict[str, Door] = {
        "passes": Fixed("pass", {"outer": Outer, "random": Outer}),
        "criteria": Fixed("criterion", {"random": Inner()}),
    }
    monkeypatch.setattr(listing, "DOORS", made_up)
    return made_up


def test_a_name_is_found_in_whichever_door_has_it(doors: dict[str, Door]):
    assert listing.find("outer") == ("passes", "outer")
    assert listing.find("criteria/random") == ("criteria", "random")


@pytest.mark.parametrize(
    ("what", "help"),
    [
        ("outr", "did you mean 'outer'?"),
        ("random", "say passes/random or criteria/random"),
        ("pases/outer", "did you mean 'passes'?"),
        ("criteria/randm", "did you mean 'random'?"),
    ],
)
def test_a_name_that_is_not_clear_is_an_error_with_the_way_out(doors: dict[str, Door], what: str, help: str):
    with pytest.raises(UnknownName) as caught:
        listing.find(what)
    assert help in caught.value.help


def test_settings_show_type_default_limits_and_the_settings_inside():
    ratio, names, inner, epochs = listing.settings(Outer)
    assert ratio == listing.Setting("ratio", "float", "", "share to remove; > 0, < 1")
    assert (names.type, names.default) == ("tuple[str, ...]", "()")
    assert inner.default == "Inner(epochs=2.0)"
    assert epochs == listing.Setting("inner.epochs", "float", "2.0", "")


def test_settings_of_functions_are_their_arguments_and_plain_objects_have_none():
    def workload(path: str, depth: int = 20, **others: object) -> None: ...

    assert listing.settings(workload) == (
        listing.Setting("path", "str", "", ""),
        listing.Setting("depth", "int", "20", ""),
    )
    assert listing.settings(object()) == listing.settings(object) == ()


def test_the_card_holds_the_docstring_of_the_module_and_marks_required_settings(doors: dict[str, Door], capsys):
    listing.show_card("outer")
    shown = capsys.readouterr().out
    assert shown.startswith("# outer (pass)\n")
    assert "- `ratio` (float, required): share to remove; > 0, < 1\n" in shown


@pytest.mark.parametrize("what", ["passes/prune", "criteria/taylor", "backends/onnxruntime"])
def test_the_cards_of_real_parts_hold_their_whole_docstring(what: str, capsys):
    listing.show_card(what)
    shown = capsys.readouterr().out
    door, name = listing.find(what)
    assert listing.DOORS[door].describe(name) in shown
    assert shown.count("\n") > 4


@pytest.mark.parametrize(("what", "chosen"), [("weightings/trust", "weighting"), ("optimizers/lion", "optimizer")])
def test_the_card_of_what_a_training_makes_shows_what_can_be_set(what: str, chosen: str, capsys):
    listing.show_card(what)
    shown = capsys.readouterr().out
    name = what.partition("/")[2]
    assert f"Chosen with `{chosen}: {name}`" in shown and "required" not in shown
    assert ("- `weighting_warmup` (float, default `0.2`)" in shown) == (chosen == "weighting")


@pytest.mark.parametrize(
    ("name", "follows"), [("doubt", set()), ("column", {"weights"}), ("trust", {"weighting_warmup"})]
)
def test_a_weighting_shows_what_it_goes_by(name: str, follows: set[str], capsys: pytest.CaptureFixture[str]):
    listing.show_card(name)
    shown = capsys.readouterr().out
    assert {setting for setting in ("weights", "weighting_warmup") if f"- `{setting}`" in shown} == follows


def test_list_prints_only_the_door_asked_for(doors: dict[str, Door], capsys: pytest.CaptureFixture[str]):
    listing.show_list("criteria")
    shown = capsys.readouterr().out
    assert "what random is" in shown
    assert "outer" not in shown


def test_shipped_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]):
    listing.show_list("recipes")
    assert "Handwritten digits" in capsys.readouterr().out
    listing.show_card("recipes/digits")
    assert "workload: digits" in capsys.readouterr().out
    with pytest.raises(UnknownName, match="did you mean 'recipes'"):
        listing.show_list("recipe")
    with pytest.raises(UnknownName, match=r"unknown recipe 'digit'\nhelp: did you mean 'digits'"):
        listing.show_card("recipes/digit")


def test_a_mistyped_schedule_is_suggested() -> None:
    with pytest.raises(UnknownName) as caught:
        listing.show_card("schedul")
    assert "schedule" in caught.value.help
