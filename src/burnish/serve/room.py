"""How many bytes the requests of all clients together may take, over both front ends, until they are answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from burnish.serve.protocol.messages import ProtocolError

SMALL = 64 << 10
_SHARE = 16
_RETRY_S = 1.0


class Room:
    """At most `most` bytes. The last sixteenth is for requests of up to `small` bytes: large ones leave them some.

    `refused` counts who found no room, by front end.
    """

    def __init__(self, most: int, small: int = SMALL) -> None:
        self.most = most
        self.held = 0
        self.refused: Counter[str] = Counter()
        self._small = small

    def check(self, front: str, size: int, *, held: int = 0) -> None:
        """Whether a request of `size` bytes, of which `held` are counted already, fits. Raises `ProtocolError` 429."""
        most = self.most if size <= self._small else self.most - self.most // _SHARE
        if size > held and self.held + size - held > most:
            self.refused[front] += 1
            raise ProtocolError(429, "too many bytes of requests are waiting", retry_after=_RETRY_S)

    @contextmanager
    def hold(self, front: str) -> Iterator[Callable[[int], None]]:
        """Gives a function that is told a request's size as it grows; what it took is free again behind the block.

        It raises `ProtocolError` 429 when there is no room.
        """
        held = 0

        def grow(size: int) -> None:
            nonlocal held
            self.check(front, size, held=held)
            more = max(size - held, 0)
            held += more
            self.held += more

        try:
            yield grow
        finally:
            self.held -= held
