import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from burnish.core.errors import RecipeError
from burnish.core.noun import Field, Noun, model_validator
from burnish.core.signature import Served


class Inner(Noun):
    share: float = Field(default=0.5, ge=0, le=1)


class Outer(Noun):
    name: str
    count: int = 1
    inner: Inner = Field(default_factory=Inner)
    rows: tuple[Inner, ...] = ()

    @model_validator(mode="after")
    def _named(self):
        if not self.name:
            raise ValueError("a name has letters")
        return self


@given(st.text(min_size=1), st.integers(), st.lists(st.floats(0, 1), max_size=3))
@settings(max_examples=50)
def test_json_there_and_back(name, count, shares):
    noun = Outer(name=name, count=count, rows=tuple(Inner(share=share) for share in shares))
    assert Outer.from_json(noun.to_json()) == noun
    assert Outer.parse(noun.model_dump(mode="json")) == noun


def test_json_says_which_noun_and_version_it_is():
    data = json.loads(Outer(name="a").to_json())
    assert (data["noun"], data["version"], data["name"]) == ("Outer", 1, "a")


def test_nouns_are_frozen_and_keyword_only():
    noun = Outer(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        noun.name = "b"
    with pytest.raises(TypeError):
        Outer("a")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object"),
        ('{"noun": "Outer", "version": 2, "name": "a"}', "expected Outer version 1, found Outer version 2"),
        ('{"noun": "Inner", "version": 1}', "expected Outer version 1, found Inner version 1"),
        ('{"name": "a"}', "found None version None"),
        ('{"noun": "Outer", "version": 1, "nam": "a"}', "unknown field 'nam'"),
    ],
)
def test_another_text_is_an_error_that_says_where(text, what):
    with pytest.raises(RecipeError, match=what) as caught:
        Outer.from_json(text, where="file.json")
    assert caught.value.where == "file.json"


def test_an_unknown_field_names_the_nearest_one():
    with pytest.raises(RecipeError) as caught:
        Outer.parse({"nmae": "a"}, where="here")
    assert str(caught.value) == "unknown field 'nmae' (here)\nhelp: did you mean 'name'?"


def test_a_wrong_value_names_the_field_inside_and_what_was_given():
    with pytest.raises(RecipeError, match=r"inner\.share: .* less than or equal to 1") as caught:
        Outer.parse({"name": "a", "inner": {"share": 3}})
    assert (caught.value.where, caught.value.why) == ("Outer", "got 3")
    with pytest.raises(RecipeError, match=r"unknown field 'inner\.shar'"):
        Outer.parse({"name": "a", "inner": {"shar": 3}})
    with pytest.raises(RecipeError, match="name: Field required"):
        Outer.parse({})
    with pytest.raises(RecipeError, match=r"^a name has letters"):
        Outer.parse({"name": ""})


def test_served_shapes_have_a_label():
    assert Served(batch=2, sizes={"length": 128, "width": 0}).label == "batch 2, length 128, width own"
