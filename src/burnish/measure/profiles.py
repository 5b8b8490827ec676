"""What comes of timed rounds: percentiles with their spread, and ratios of two candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from burnish.core.errors import BurnishError
from burnish.core.measurement import LatencyProfile, Measurement, Ratio


def ratio(profile: LatencyProfile, baseline: LatencyProfile) -> Ratio:
    """How many times faster `profile` is than `baseline`: median and quartiles of the rounds' ratios.

    Both must come from the same `compare`.
    """
    if len(profile.rounds_ms) != len(baseline.rounds_ms):
        raise BurnishError("these profiles are not from the same comparison", where=profile.label)
    ratios = np.array(baseline.rounds_ms) / np.array(profile.rounds_ms)
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return Ratio(baseline=baseline.label, value=float(middle), low=float(low), high=float(high))


def samples_per_second(profile: LatencyProfile, batch: int) -> Measurement:
    """Throughput of calls that follow each other, from the latency of a batch."""
    low, value, high = (1000 * batch / ms for ms in (profile.p50.high, profile.p50.value, profile.p50.low))
    return profile.p50.model_copy(
        update={"name": "throughput", "unit": "samples/s", "value": value, "low": low, "high": high}
    )


def profile_of(
    rounds: Sequence[Sequence[float]],
    *,
    label: str,
    served: str,
    memory: int,
    warmup: int,
    protocol: str,
    machine: str,
) -> LatencyProfile:
    """Percentiles over all calls of `rounds` (ms), with quartiles over rounds; `memory` is bytes at the peak.

    Raises `BurnishError` on a time that is not finite.
    """

    def measurement(share: float) -> Measurement:
        each = [_quantile(calls, share) for calls in rounds]
        value = _quantile([ms for calls in rounds for ms in calls], share)
        return Measurement(
            name=f"p{share * 100:.0f}",
            value=value,
            unit="ms",
            low=min(value, _quantile(each, 0.25)),
            high=max(value, _quantile(each, 0.75)),
            n=sum(map(len, rounds)),
            warmup=warmup,
            protocol=protocol.format(calls=len(rounds[0])),
            machine=machine,
        )

    return LatencyProfile(
        label=label,
        served=served,
        p50=measurement(0.5),
        p95=measurement(0.95),
        p99=measurement(0.99),
        rounds_ms=tuple(_quantile(calls, 0.5) for calls in rounds),
        peak_memory_bytes=memory,
    )


def _quantile(values: Sequence[float], share: float) -> float:
    found = float(np.quantile(np.asarray(values), share))
    if not math.isfinite(found):
        raise BurnishError("a measured time is not finite")
    return found
