"""Progress, as a small protocol, so that no room below the command line knows about terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One running bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """`steps` more are done; `note` stands beside the bar."""


class Progress(Protocol):
    """Where passes and measurements tell how far they are."""

    def task(self, label: str, total: int) -> AbstractContextManager[Task]:
        """A bar with `total` steps, for the length of a with block."""

    def say(self, text: str) -> None:
        """One line of news."""


class _SilentTask:
    def advance(self, steps: int = 1, note: str = "") -> None:
        del steps, note


class Silent:
    """Says nothing; for tests, workers and libraries."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A bar nobody sees."""
        del label, total
        yield _SilentTask()

    def say(self, text: str) -> None:
        """Drop the line."""
        del text
