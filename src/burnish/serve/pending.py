"""A request that waits for its answer, and the ways in which it can get none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from burnish.core.errors import BurnishError
from burnish.serve.ask import Ask, Refusal
from burnish.serve.protocol.messages import Array
from burnish.serve.shapes import Arrays, Shapes


class Refused(BurnishError):
    """The request was not run."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"refused: {refusal.reason.value}")
        self.refusal = refusal


class RunFailed(BurnishError):
    """The model raised an error on this request, or its worker died twice."""


class Stopped(BurnishError):
    """The model version ended before this request was run."""


@dataclass(slots=True)
class Pending:
    """One request. `sizes` are its own free dimensions, to which padded outputs are cut."""

    ask: Ask
    inputs: Arrays
    sizes: dict[str, int]
    answer: asyncio.Future[dict[str, Array]]
    probe: Callable[[], object] | None = None
    """Called when its task has the answer and is about to write it."""

    @property
    def over(self) -> bool:
        """Whether nobody waits any more: it is answered, or its client is gone."""
        return self.answer.done()

    @property
    def refused(self) -> bool:
        """Whether it was told that it will not be run."""
        return self.over and not self.answer.cancelled() and isinstance(self.answer.exception(), Refused)

    def fail(self, error: BurnishError) -> None:
        """Tell it, if it still waits."""
        if not self.over:
            self.answer.set_exception(error)


def scatter(members: Sequence[Pending], outputs: Arrays, shapes: Shapes, written: Callable[[], None]) -> None:
    """Give everyone their rows, copied out of the shared memory; the most urgent answer is written first.

    `written` is called when that one is on its socket: at the second one's turn, else in the next round of the loop.
    """
    place = 0
    own: list[tuple[Pending, slice]] = []
    for member in members:
        own.append((member, slice(place, place + member.ask.rows)))
        place += member.ask.rows
    own = [(member, rows) for member, rows in own if not member.over]
    own.sort(key=lambda item: item[0].ask.deadline)
    if len(own) > 1:
        own[1][0].probe = written
    elif own:
        own[0][0].probe = partial(asyncio.get_running_loop().call_soon, written)
    for member, rows in own:
        found = {name: array[rows] for name, array in outputs.items()}
        member.answer.set_result(shapes.cut(found, member.sizes))
