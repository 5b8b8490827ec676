"""Progress from one process to another: what is told to a `Sender` there, a `Receiver` repeats here."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from burnish.core.progress import Progress, Task

Message = tuple[Any, ...]
"""A word and plain values."""

_EVERY_S = 0.5


class Sender:
    """`Progress` as messages; those of a bar are put together, so that there are at most two in a second.

    `clock` gives seconds.
    """

    def __init__(self, send: Callable[[Message], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send, self._clock = send, clock
        self._numbers = itertools.count()
        send(("begin",))

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A bar there."""
        number = next(self._numbers)
        self._send(("task", number, label, total))
        bar = _Bar(number, self._send, self._clock)
        try:
            yield bar
        finally:
            bar.flush()
            self._send(("end", number))

    def say(self, text: str) -> None:
        """One line of news there."""
        self._send(("say", text))


class _Bar:
    def __init__(self, number: int, send: Callable[[Message], None], clock: Callable[[], float]) -> None:
        self._number, self._send, self._clock = number, send, clock
        self._steps, self._note, self._last = 0, "", clock()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._steps += steps
        self._note = note or self._note
        if self._clock() - self._last >= _EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._steps:
            self._send(("advance", self._number, self._steps, self._note))
        self._steps, self._last = 0, self._clock()


class Receiver:
    """Repeats the messages of a `Sender`. When another one begins, as after a restart, open bars end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open: dict[int, tuple[AbstractContextManager[Task], Task]] = {}

    def take(self, message: Message) -> None:
        """Do what one message says."""
        word, *values = message
        if word == "say":
            self._progress.say(values[0])
        elif word == "task":
            context = self._progress.task(*values[1:])
            self._open[values[0]] = context, context.__enter__()
        elif word == "advance":
            self._open[values[0]][1].advance(*values[1:])
        elif word == "end":
            self._open.pop(values[0])[0].__exit__(None, None, None)
        else:
            self.close()

    def close(self) -> None:
        """End what is open."""
        while self._open:
            self._open.popitem()[1][0].__exit__(None, None, None)
