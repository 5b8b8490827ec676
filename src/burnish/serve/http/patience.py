"""How long a connection may take for its part. Pure: it is told what happened and when."""

from __future__ import annotations

from enum import Enum

from burnish.core.noun import Field, Noun


class Stage(Enum):
    """Whose turn it is."""

    IDLE = "nothing was asked"
    HEAD = "the client sends a request line and headers"
    BODY = "the client sends a body"
    ANSWER = "the service's turn"


class Patience(Noun):
    """Seconds and bytes that a client gets. Bodies and answers may take longer the larger they are."""

    idle_s: float = Field(default=75.0, gt=0, description="between requests, and before the first")
    head_s: float = Field(default=10.0, gt=0, description="for the request line and all headers together")
    grace_s: float = Field(default=20.0, gt=0, description="for a body, or to read an answer")
    bytes_per_s: float = Field(default=4096, gt=0, description="every so many bytes earn a second more")
    max_head: int = Field(default=32 << 10, ge=1024, description="bytes of a request line and its headers")
    max_waiting: int = Field(default=16, ge=1, description="requests sent ahead on one connection")


class Progress:
    """Where one connection stands. `late` is to be asked about every second."""

    __slots__ = ("_drained", "_unsent", "_unsent_since", "since", "size", "stage")

    def __init__(self, now: float) -> None:
        self._unsent = self._drained = 0
        self._unsent_since = now
        self.enter(Stage.IDLE, now)

    def enter(self, stage: Stage, now: float) -> None:
        """Begin a stage; `size` counts the bytes that come in it."""
        self.stage, self.since, self.size = stage, now, 0

    def held(self, now: float) -> None:
        """The service itself did not read: the client's time begins anew."""
        self.since = now

    def late(self, now: float, patience: Patience) -> bool:
        """Whether the client took longer for its stage than it may."""
        match self.stage:
            case Stage.IDLE:
                allowed = patience.idle_s
            case Stage.HEAD:
                allowed = patience.head_s
            case Stage.BODY:
                allowed = patience.grace_s + self.size / patience.bytes_per_s
            case Stage.ANSWER:
                return False
        return now - self.since > allowed

    def stuck(self, now: float, unsent: int, patience: Patience) -> bool:
        """Whether the client reads too slowly. `unsent`: bytes of answers that it has not taken yet."""
        if not unsent:
            self._unsent = self._drained = 0
            return False
        if not self._unsent:
            self._unsent_since = now
        self._drained += max(self._unsent - unsent, 0)
        self._unsent = unsent
        return now - self._unsent_since > patience.grace_s + self._drained / patience.bytes_per_s
