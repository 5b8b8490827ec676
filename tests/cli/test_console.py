import io

import pytest

from burnish.cli import console
from burnish.core.errors import RecipeError
from burnish.report.summary import Row


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_lines_come_at_most_every_five_seconds():
    stream, clock = io.StringIO(), Clock()
    progress = console.RichProgress(stream, clock)
    with progress.task("fit", 100) as task:
        for step in range(100):
            clock.now += 0.2
            task.advance(note=f"loss {100 - step}")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "fit 1/100, 0:00 elapsed, 0:20 left, 5 steps/s, loss 100"
    assert lines[-1] == "fit 100/100, 0:20 elapsed, 0:00 left, 5 steps/s, loss 1"
    assert len(lines) == 5


def test_many_short_tasks_do_not_flood_the_log():
    stream, clock = io.StringIO(), Clock()
    progress = console.RichProgress(stream, clock)
    for number in range(50):
        with progress.task(f"task {number}", 1) as task:
            clock.now += 0.1
            task.advance()
    assert len(stream.getvalue().splitlines()) == 1


def test_no_line_is_written_twice_and_none_after_an_error():
    stream, clock = io.StringIO(), Clock()
    progress = console.RichProgress(stream, clock)
    with progress.task("one", 2) as task:
        clock.now += 1
        task.advance(2)
    with pytest.raises(ValueError), progress.task("two", 2) as task:
        clock.now += 9
        task.advance()
        task.advance()
        raise ValueError
    assert [line.partition(",")[0] for line in stream.getvalue().splitlines()] == ["one 2/2", "two 1/2"]


def test_say_is_always_written_and_markup_stays_text():
    stream = io.StringIO()
    console.RichProgress(stream).say("kept [bold]prune[/bold]: x" + "y" * 200)
    assert stream.getvalue() == "kept [bold]prune[/bold]: x" + "y" * 200 + "\n"


def test_on_a_terminal_bars_nest_and_are_gone_when_all_tasks_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    progress = console.RichProgress(stream)
    with progress.task("prune [outer]", 4) as outer:
        outer.advance(2, note="loss [0.3]")
        with progress.task("recover", 10) as inner:
            inner.advance(5)
            progress.say("a line above")
            assert progress._bars is not None
            progress._bars.refresh()
    shown = stream.getvalue()
    assert progress._bars is None
    for wanted in ("prune [outer]", "2/4", "loss [0.3]", "  recover", "5/10", "a line above"):
        assert wanted in shown


def test_an_error_inside_a_bar_stops_the_display(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    progress = console.RichProgress(Terminal())
    with pytest.raises(KeyboardInterrupt), progress.task("a", 2), progress.task("b", 2):
        raise KeyboardInterrupt
    assert progress._bars is None


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


def test_leaving_the_progress_block_stops_a_display_that_was_left_running(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    with console.RichProgress(Terminal()) as progress:
        left_open = progress.task("left open", 3)
        left_open.__enter__()
        assert progress._bars is not None
    assert progress._bars is None
