from __future__ import annotations

import pytest

from burnish.core.errors import RecipeError
from burnish.serve.keys import Keys
from burnish.serve.protocol.messages import ProtocolError

KEY = "a-key-of-sixteen-characters"


def test_without_keys_everyone_may():
    Keys.read(None).check({})


def test_a_key_is_found_in_either_header(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n{KEY}\nanother-key-of-some-length\n")
    keys = Keys.read(path)
    keys.check({"authorization": f"Bearer {KEY}"})
    keys.check({"x-api-key": "another-key-of-some-length"})
    for headers in ({}, {"authorization": "Bearer no"}, {"x-api-key": KEY + "x"}, {"authorization": "Bearer \u00e9"}):
        with pytest.raises(ProtocolError) as caught:
            keys.check(headers)
        assert caught.value.status == 401


@pytest.mark.parametrize("text", ["", "short\n", "# only a comment\n"])
def test_a_file_without_a_good_key_is_an_error(tmp_path, text):
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(RecipeError, match="one key a line"):
        Keys.read(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        Keys.read(tmp_path / "none")
