"""Progress for a person: bars on a terminal, plain lines elsewhere, one every few seconds at most. On stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress import Task as BarState
from rich.text import Text

from burnish.core.progress import Task

_EVERY_S = 5.0


class RichProgress:
    """`Progress` for a person: bars on a terminal, lines elsewhere. Tasks may be nested.

    `stream` is where it writes (stderr), `clock` gives seconds and is there for tests.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._clock = clock
        self._bars: Bars | None = None
        self._open = 0
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        """Nothing is drawn before the first task."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was, whatever happened."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._open = 0

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A bar with `total` steps, gone when the block ends."""
        if self._console.is_terminal:
            yield from self._bar(label, total)
        else:
            yield from self._lines(label, total)

    def say(self, text: str) -> None:
        """One line, above the bars."""
        self._console.print(Text(text))

    def _bar(self, label: str, total: int) -> Iterator[Task]:
        bars = self._bars = self._bars or _bars(self._console)
        self._open += 1
        if self._open == 1:
            bars.start()
        number = bars.add_task(_escape("  " * (self._open - 1) + label), total=total, note="")
        try:
            yield _Bar(bars, number)
        finally:
            bars.remove_task(number)
            self._open = max(0, self._open - 1)
            if self._open == 0:
                bars.stop()
                self._bars = None

    def _lines(self, label: str, total: int) -> Iterator[Task]:
        lines = _Lines(label, total, self._clock, self._may_write, self.say)
        yield lines
        lines.end()

    def _may_write(self) -> bool:
        now = self._clock()
        if now - self._last_line < _EVERY_S:
            return False
        self._last_line = now
        return True


class _Bar:
    def __init__(self, bars: Bars, number: int) -> None:
        self._bars = bars
        self._number = number

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._bars.update(self._number, note=_escape(note))  # type: ignore[arg-type]
        self._bars.advance(self._number, steps)  # type: ignore[arg-type]


class _Lines:
    """A bar as plain lines."""

    def __init__(
        self,
        label: str,
        total: int,
        clock: Callable[[], float],
        may_write: Callable[[], bool],
        write: Callable[[str], None],
    ) -> None:
        self._label, self._total = label, total
        self._clock, self._may_write, self._write = clock, may_write, write
        self._begin, self._done, self._note = clock(), 0, ""
        self._written = -1

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        self._note = note or self._note
        if self._may_write():
            self._line()

    def end(self) -> None:
        """The last line, when others came before it and it says something new."""
        if 0 <= self._written < self._done:
            self._line()

    def _line(self) -> None:
        self._written = self._done
        elapsed = self._clock() - self._begin
        rate = self._done / elapsed if elapsed > 0 else 0.0
        left = max(0, self._total - self._done) / rate if rate > 0 else 0.0
        parts = [f"{self._label} {self._done}/{self._total}", f"{_clock_text(elapsed)} elapsed"]
        parts += [f"{_clock_text(left)} left", f"{rate:.3g} steps/s"] if rate > 0 else []
        self._write(", ".join([*parts, self._note] if self._note else parts))


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: BarState) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.3g} steps/s" if speed else "", style="dim")


def _bars(console: Console) -> Bars:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
        _Rate(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    return Bars(*columns, console=console, transient=True, refresh_per_second=4)


def _escape(text: str) -> str:
    return text.replace("[", "\\[")


def _clock_text(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
