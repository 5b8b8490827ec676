from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_load

from burnish.report.recipe_text import recipe_text

words = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
scalars = (
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(words, max_size=12) | st.floats(0.001, 1000)
)
keys = st.text(words, max_size=8)
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12
)


def test_it_reads_like_the_recipe_file():
    text = recipe_text({"passes": [{"prune": {"ratio": 0.3, "ignore": []}}, "fit"], "compile": "auto"})
    assert text == "passes:\n  - prune:\n      ratio: 0.3\n      ignore: []\n  - fit\ncompile: auto"


@given(st.dictionaries(keys, data, max_size=4))
def test_a_yaml_reader_gets_the_same_data_back(recipe: dict[str, object]):
    assert safe_load(recipe_text(recipe)) == recipe
