"""Progress that is told in one place and shown in another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from burnish.core.progress import Task
from burnish.core.relay import Message, Receiver, Sender


class Heard:
    """A `Progress` that writes down what it was told."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        self.lines.append((label, total))
        yield Bar(label, self.lines)
        self.lines.append(f"{label} ends")


class Bar:
    def __init__(self, label: str, lines: list[Any]) -> None:
        self.label, self.lines = label, lines

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.lines.append((self.label, steps, note))


def play(progress: Any) -> None:
    with progress.task("outer", 2) as outer:
        outer.advance(1, "first")
        with progress.task("inner", 3) as inner:
            inner.advance(3)
        progress.say("news")
        outer.advance(1, "second")


def test_what_is_sent_is_what_is_told() -> None:
    heard, told = Heard(), Heard()
    receiver = Receiver(heard)
    times = iter(range(1000))
    play(Sender(receiver.take, clock=lambda: float(next(times))))
    play(told)
    assert heard.lines == told.lines


def test_steps_that_come_fast_are_one_message() -> None:
    sent: list[Message] = []
    now = [0.0]
    with Sender(sent.append, clock=lambda: now[0]).task("work", 100) as bar:
        for _ in range(100):
            bar.advance(1, f"at {now[0]:.2f}")
            now[0] += 0.01
    steps = [message[2] for message in sent if message[0] == "advance"]
    assert sum(steps) == 100 and len(steps) == 2


def test_a_sender_that_begins_anew_ends_what_another_left_open() -> None:
    heard = Heard()
    receiver = Receiver(heard)
    Sender(receiver.take).task("lost", 5).__enter__()
    with Sender(receiver.take).task("again", 5) as bar:
        bar.advance(5)
    receiver.close()
    assert heard.lines == [("lost", 5), "lost ends", ("again", 5), ("again", 5, ""), "again ends"]
