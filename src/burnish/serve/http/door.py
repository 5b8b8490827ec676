"""How many connections there may be, and who goes when there are too many."""

from __future__ import annotations

from typing import Protocol

from burnish.serve.http.patience import Patience


class Connection(Protocol):
    """A client's connection."""

    def abort(self) -> None:
        """Close it now."""

    def check(self, now: float) -> None:
        """End it if its client takes too long."""


class Door:
    """All connections: how many there may be, and which of them have not asked for anything yet."""

    def __init__(self, patience: Patience, *, most: int, max_body: int) -> None:
        self.patience = patience
        self.max_body = max_body
        self._most = most
        self._all: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}

    def admit(self, connection: Connection) -> bool:
        """Let one in; the one that has waited longest without a request goes when there is no room."""
        if len(self._all) >= self._most:
            longest = next(iter(self._waiting), None)
            if longest is None:
                return False
            self.forget(longest)
            longest.abort()
        self._all.add(connection)
        self._waiting[connection] = None
        return True

    def asks(self, connection: Connection) -> None:
        """Its headers are complete."""
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """It has its answer, and may ask again."""
        if connection in self._all:
            self._waiting[connection] = None

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        self._all.discard(connection)
        self._waiting.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Close whoever takes too long."""
        for connection in tuple(self._all):
            connection.check(now)
