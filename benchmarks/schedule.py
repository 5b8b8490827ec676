"""The scheduler alone, on a made-up device: how near does it come to knowing all arrivals beforehand?

    python benchmarks/schedule.py

Requests and batches are simulated (no server, no clock, one device), so the figures are of the decisions
only. Three others decide on the same arrivals: first come first served; the same, but without those who can no
longer make it; and the largest batch that can still make it, the oldest skipped where they keep it
small. The last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from _lib import results
from _lib.bars import Bar
from _lib.clairvoyant import most_in_time
from _lib.policies import POLICIES, answered_in_time

from burnish.serve.ask import Ask
from burnish.serve.batch import Limits
from burnish.serve.engine import AHEAD_S
from burnish.serve.load import arrivals
from burnish.serve.profile import Profile, tail
from burnish.serve.scheduler import Scheduler
from burnish.serve.simulate import Story, play

_STEPS = 9
_HANDOVER_S = 0.0008
"""From a batch given out to its begin, as measured in the server."""


@dataclass(frozen=True)
class Device:
    """A cost curve: seconds of a batch by its rows, the first entry unused."""

    name: str
    seconds: tuple[float, ...]

    @property
    def limit(self) -> float:
        """Three times a single request."""
        return 3 * self.seconds[1]

    @property
    def capacity(self) -> float:
        """Requests per second of batches that a request can wait out and still be answered in time."""
        return max(n / s for n, s in enumerate(self.seconds) if n and 2 * s <= self.limit)


DEVICES = (
    Device("flat curve (10 ms and 0.6 ms a row, at most 32)", (0.0, *(0.010 + 0.0006 * n for n in range(32)))),
    Device("steep curve (10 ms and 2 ms a row, at most 16)", (0.0, *(0.010 + 0.002 * n for n in range(16)))),
)


def main() -> int:
    """Run everything; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=6000, help="of each rate")
    parser.add_argument("--seeds", type=int, default=3, help="draws of arrivals for every figure")
    parser.add_argument("--trace", type=Path, help="CSV file with a column TIMESTAMP; the bursts are drawn otherwise")
    parser.add_argument("--results", type=Path, default=results.RESULTS)
    options = parser.parse_args()
    bars: list[Bar] = []
    rows: list[dict[str, object]] = []
    for device in DEVICES:
        bars += _rates(device, options.requests, options.seeds, rows)
        bars += _overload(device, options.requests, options.seeds, rows)
        bars += _patterns(device, options.requests, options.seeds, options.trace, rows)
        bars.append(_handover(device, options.requests, options.seeds, rows))
    bars.append(_closed_loop())
    return results.report("schedule", bars, {"rows": rows}, options.results)


def ours(
    device: Device, due: Sequence[float], *, handover: float = 0.0, ahead: float = 0.0
) -> tuple[float, Story, list[Ask]]:
    """Share in time under our scheduler, which knows the curve; the story and the requests."""
    limits = Limits(max_batch=len(device.seconds) - 1, max_queue=100_000)
    profile = Profile(limits.max_batch)
    for rows in range(1, limits.max_batch + 1):
        profile.observe("x", rows, device.seconds[rows] + (0.0 if ahead else handover))
    asks = [Ask(id=n, bucket="x", arrived=t, deadline=t + device.limit) for n, t in enumerate(due)]
    scheduler = Scheduler(profile, limits, ahead_s=ahead)
    story = play(scheduler, asks, lambda rows: device.seconds[rows], handover=handover)
    return story.in_time(asks), story, asks


def _best(device: Device, due: Sequence[float]) -> float:
    """The clairvoyant share, as an upper bound; the curves lie on the grid, so only arrivals are rounded."""
    return most_in_time(due, device.limit, device.seconds, grid=device.limit / 150, upper=True) / len(due)


def _poisson(rate: float, requests: int, seed: int) -> list[float]:
    return arrivals.poisson(rate, requests / rate, seed=seed)


def _highest(share: Callable[[float], float], capacity: float) -> float:
    """The highest rate at which at least 99 % are in time, by halving an interval."""
    low, high = 0.05 * capacity, 1.5 * capacity
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= 0.99 else (low, middle)
    return low


def _rates(device: Device, requests: int, seeds: int, rows: list[dict[str, object]]) -> list[Bar]:
    """Highest Poisson rates, as a share of the clairvoyant one on the same draws."""
    shares: list[float] = []
    for seed in range(seeds):
        best = _highest(lambda rate, seed=seed: _best(device, _poisson(rate, requests, seed)), device.capacity)
        mine = _highest(lambda rate, seed=seed: ours(device, _poisson(rate, requests, seed))[0], device.capacity)
        row: dict[str, object] = {
            "device": device.name,
            "what": "highest rate",
            "seed": seed,
            "clairvoyant": best,
            "ours": mine,
        }
        for name, policy in POLICIES.items():
            row[name] = _highest(
                lambda rate, seed=seed, policy=policy: answered_in_time(
                    policy, _poisson(rate, requests, seed), device.limit, device.seconds
                ),
                device.capacity,
            )
        rows.append(row)
        shares.append(mine / best)
        print(row, file=sys.stderr)
    return [_bar(f"{device.name}: highest rate with 99 % in time, of the clairvoyant one", shares, 0.90)]


def _overload(device: Device, requests: int, seeds: int, rows: list[dict[str, object]]) -> list[Bar]:
    bars: list[Bar] = []
    told: list[float] = []
    for factor in (1.3, 2.0, 4.0):
        shares: list[float] = []
        for seed in range(seeds):
            due = _poisson(factor * device.capacity, requests, seed)
            row, share = _beside(device, due, f"{factor:g}x", seed)
            _, story, _ = ours(device, due)
            told += [moment - refusal.ask.arrived for moment, refusal in story.refused]
            rows.append(row)
            shares.append(share)
        bars.append(_bar(f"{device.name}: goodput at {factor:g}x, of the clairvoyant one", shares, 0.93))
    quick = [sorted(told)[len(told) // 4], tail(told, 0.5), tail(told, 0.75)]
    bars.append(
        Bar(
            name=f"{device.name}: a refusal under overload, after the arrival",
            value=1000 * quick[1],
            low=1000 * quick[0],
            high=1000 * quick[2],
            unit="ms",
            bar=5.0,
            least=False,
            note="median, quartiles",
        )
    )
    return bars


def _patterns(device: Device, requests: int, seeds: int, path: Path | None, rows: list[dict[str, object]]) -> list[Bar]:
    rate = 0.8 * device.capacity
    found = {"on-off bursts": [arrivals.bursts(rate, requests / rate, seed=seed) for seed in range(seeds)]}
    if path is not None:
        found["trace"] = [arrivals.trace(path, rate, requests / rate)]
    bars: list[Bar] = []
    for name, draws in found.items():
        shares: list[float] = []
        for seed, due in enumerate(draws):
            row, share = _beside(device, due, name, seed)
            rows.append(row)
            shares.append(share)
        bars.append(_bar(f"{device.name}: {name}, mean load 0.8, goodput of the clairvoyant one", shares, 0.90))
    return bars


def _handover(device: Device, requests: int, seeds: int, rows: list[dict[str, object]]) -> Bar:
    """What it is worth to give a batch out before the device is free, where it takes a while to get there."""
    gains: list[float] = []
    for seed in range(seeds):
        due = _poisson(1.3 * device.capacity, requests, seed)
        late = ours(device, due, handover=_HANDOVER_S)[0]
        ahead = ours(device, due, handover=_HANDOVER_S, ahead=AHEAD_S)[0]
        rows.append({"device": device.name, "what": "handover", "seed": seed, "at the end": late, "ahead": ahead})
        gains.append(ahead / late)
    return _bar(f"{device.name}: 0.8 ms to the device, goodput at 1.3x of batches given out ahead", gains, 1.0)


def _beside(device: Device, due: Sequence[float], what: str, seed: int) -> tuple[dict[str, object], float]:
    """Everyone on the same arrivals; and ours as a share of the clairvoyant schedule."""
    best, (mine, story, _) = _best(device, due), ours(device, due)
    busy = sum(device.seconds[batch.rows] for batch in story.batches) / max(story.finished.values())
    row: dict[str, object] = {"device": device.name, "what": what, "seed": seed, "clairvoyant": best, "ours": mine}
    row |= {name: answered_in_time(policy, due, device.limit, device.seconds) for name, policy in POLICIES.items()}
    row["busy"] = busy
    print(row, file=sys.stderr)
    return row, mine / best


def _closed_loop() -> Bar:
    """Four clients that wait for their answers, 50 ms a batch whatever its size; ideal 4 / 51 ms."""
    limits, profile = Limits(max_batch=16), Profile(16)
    for rows in range(1, 17):
        profile.observe("x", rows, 0.05)
    asks = [Ask(id=n, bucket="x", arrived=0.0002 * n, deadline=1.0) for n in range(4)]

    def back(ask: Ask, now: float) -> Ask | None:
        arrived = now + 0.0002 + 0.0008 * ((ask.id * 0.618) % 1)
        return Ask(id=ask.id + 4, bucket="x", arrived=arrived, deadline=arrived + 1.0) if ask.id < 4000 else None

    story = play(Scheduler(profile, limits), asks, lambda _rows: 0.05, back=back)
    rate = len(story.finished) / max(story.finished.values())
    return Bar(
        name="four clients in a closed loop, 50 ms a batch, of the ideal 78/s",
        value=rate / (4 / 0.051),
        unit="",
        bar=0.95,
    )


def _bar(name: str, shares: Sequence[float], bar: float) -> Bar:
    ordered = sorted(shares)
    return Bar(name=name, value=ordered[len(ordered) // 2], low=ordered[0], high=ordered[-1], unit="", bar=bar)


if __name__ == "__main__":
    sys.exit(main())
