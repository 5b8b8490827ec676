from __future__ import annotations

from pathlib import Path

from burnish.cli.reference import pages

_FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def test_the_reference_says_what_the_code_says() -> None:
    stale = [name for name, text in pages().items() if (_FOLDER / name).read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_page_of_the_folder_is_generated() -> None:
    assert {path.name for path in _FOLDER.glob("*.md")} == set(pages())
