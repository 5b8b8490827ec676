"""What came of the requests: goodput, percentiles, refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from burnish.core.noun import Noun
from burnish.serve.profile import tail


class Reply(Noun):
    """One request: when it was due and when its answer was complete, in seconds from the start.

    `status` is the HTTP status, 0 when the connection failed. Latency counts from `due`, not from when
    a late client got round to sending.
    """

    due: float
    done: float
    status: int

    @property
    def seconds(self) -> float:
        """Latency."""
        return self.done - self.due


class Summary(Noun):
    """Figures of one run. Times in milliseconds; percentiles are of answers with a result."""

    rate: float
    seconds: float
    requests: int
    answered: int
    in_time: int
    goodput: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    refusals: dict[str, int]
    refusal_p95_ms: float


def summarize(replies: Sequence[Reply], rate: float, seconds: float, deadline_s: float) -> Summary:
    """Figures of a run that lasted `seconds`. Goodput: answers within `deadline_s`, per second."""
    answered = [reply.seconds for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status != 200]
    in_time = sum(found <= deadline_s for found in answered)
    return Summary(
        rate=rate,
        seconds=seconds,
        requests=len(replies),
        answered=len(answered),
        in_time=in_time,
        goodput=in_time / seconds,
        p50_ms=_ms(answered, 0.5),
        p95_ms=_ms(answered, 0.95),
        p99_ms=_ms(answered, 0.99),
        refusals={str(status): count for status, count in sorted(Counter(reply.status for reply in refused).items())},
        refusal_p95_ms=_ms([reply.seconds for reply in refused], 0.95),
    )


def _ms(seconds: Sequence[float], quantile: float) -> float:
    return round(1000 * tail(seconds, quantile), 3) if seconds else 0.0
