import io

import pytest

from burnish.cli.terminal.bars import RichProgress
from tests.cli.terminal.fake import Terminal


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_lines_come_at_most_every_five_seconds():
    stream, clock = io.StringIO(), Clock()
    progress = RichProgress(stream, clock)
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
    progress = RichProgress(stream, clock)
    for number in range(50):
        with progress.task(f"task {number}", 1) as task:
            clock.now += 0.1
            task.advance()
    assert len(stream.getvalue().splitlines()) == 1


def test_no_line_is_written_twice_and_none_after_an_error():
    stream, clock = io.StringIO(), Clock()
    progress = RichProgress(stream, clock)
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
    RichProgress(stream).say("kept [bold]prune[/bold]: x" + "y" * 200)
    assert stream.getvalue() == "kept [bold]prune[/bold]: x" + "y" * 200 + "\n"


def test_on_a_terminal_bars_nest_and_are_gone_when_all_tasks_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    progress = RichProgress(stream)
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
    progress = RichProgress(Terminal())
    with pytest.raises(KeyboardInterrupt), progress.task("a", 2), progress.task("b", 2):
        raise KeyboardInterrupt
    assert progress._bars is None


def test_leaving_the_progress_block_stops_a_display_that_was_left_running(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    with RichProgress(Terminal()) as progress:
        left_open = progress.task("left open", 3)
        left_open.__enter__()
        assert progress._bars is not None
    assert progress._bars is None
