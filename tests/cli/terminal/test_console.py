import io

import pytest

from burnish.cli.terminal import console
from burnish.core.errors import RecipeError
from burnish.report.summary import Row
from tests.cli.terminal.fake import Terminal


def test_errors_have_what_where_why_and_help_in_their_colours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    error = RecipeError("unknown field 'ratoi'", where="passes.1", why="it is [new]", help="did you mean 'ratio'?")
    plain, coloured = io.StringIO(), Terminal()
    console.print_error(error, plain)
    console.print_error(error, coloured)
    assert plain.getvalue() == (
        "error: unknown field 'ratoi' (passes.1)\nwhy: it is [new]\nhelp: did you mean 'ratio'?\n"
    )
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b[32mhelp" in coloured.getvalue()


def test_tables_keep_their_cells_whole_when_piped(capsys: pytest.CaptureFixture[str]):
    console.print_rows(("name", "value"), [("a [b]", "x" * 100), ("c", "1")], title="What", strong=(1,), numbers=(1,))
    out, err = capsys.readouterr()
    assert "a [b]" in out
    assert "x" * 100 in out
    assert err == ""


def test_cards_are_plain_markdown_when_piped(capsys: pytest.CaptureFixture[str]):
    console.print_card("# prune\n\n- `ratio`: share\n")
    assert capsys.readouterr().out == "# prune\n\n- `ratio`: share\n"


def test_the_final_table_shows_every_candidate_in_one_line_each(capsys: pytest.CaptureFixture[str]):
    rows = tuple(
        Row(
            cells=(str(n), "prune", "openvino int8", "3.92 ms", "4.43 ms", "12.3x", "76.2%", "-0.2", "22 MB", mark),
            chosen=n == 2,
            on_front=False,
        )
        for n, mark in ((1, ""), (2, "returned"))
    )
    console.print_table(rows)
    lines = [line for line in capsys.readouterr().out.splitlines() if "openvino" in line]
    assert len(lines) == 2
    assert " ".join(lines[1].split()) == "2 prune openvino int8 3.92 ms 4.43 ms 12.3x 76.2% -0.2 22 MB returned"


def test_the_plan_says_what_is_cached(capsys: pytest.CaptureFixture[str]):
    console.print_plan("Digits", [("fit", "train on the task", True), ("prune", "cut half", False)], "")
    shown = capsys.readouterr().out
    assert "Digits; budget: none" in shown
    assert [line.split()[-1] for line in shown.splitlines() if line.strip()[:1].isdigit()] == ["yes", "no"]
