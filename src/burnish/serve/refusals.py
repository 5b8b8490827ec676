"""Refusals as errors of the protocol."""

from __future__ import annotations

from burnish.serve.ask import Reason, Refusal
from burnish.serve.protocol.messages import ProtocolError

_STATUS = {
    Reason.LATE: 429,
    Reason.QUEUE_FULL: 429,
    Reason.EXPIRED: 504,
    Reason.TOO_LARGE: 400,
    Reason.CANCELLED: 499,
}
_WORDS = {
    Reason.LATE: "the request would be answered too late",
    Reason.QUEUE_FULL: "too many requests are waiting",
    Reason.EXPIRED: "the request's time is up",
    Reason.TOO_LARGE: "the request has more rows than a batch may have",
    Reason.CANCELLED: "the client is gone",
}


def refused(refusal: Refusal) -> ProtocolError:
    """Status, words and, in seconds, when to come again."""
    return ProtocolError(_STATUS[refusal.reason], _WORDS[refusal.reason], retry_after=refusal.retry_after)
