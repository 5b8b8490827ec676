"""The parts with a made-up device: rates, overload, bursts and trace, mixed lengths, closed loop."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _lib.bars import Bar
from _lib.clairvoyant import most_in_time
from _lib.progress import Lines
from _lib.servers.drive import Live, highest, with_server
from _lib.servers.server import Server, Settings
from _lib.servers.work import Work, curve
from burnish.core.errors import ServiceError
from burnish.serve.load import arrivals

MAX_BATCH = 32
FIRST_MS, ROW_MS = 20.0, 1.2
LENGTHS = (16, 32, 64, 128)
_STEPS = 5


@dataclass
class Setting:
    """What every part needs: servers (ours first), where to write, how long a run is."""

    servers: Sequence[Server]
    folder: Path
    seconds: float
    trace: Path | None
    say: Lines
    rows: list[dict[str, Any]] = field(default_factory=list)
    tuned: dict[tuple[str, str], Settings] = field(default_factory=dict)

    def note(self, **row: Any) -> None:
        """Keep a figure and show it."""
        self.rows.append(row)
        self.say.say(", ".join(f"{key} {value}" for key, value in row.items()))


@dataclass(frozen=True)
class Device:
    """The curve: what requests may take, and what can be sustained in time."""

    work: Work
    weight: float = 1.0
    """Rows of the table that a request counts for, on average."""

    @property
    def limit_s(self) -> float:
        """Three times a single request."""
        return 3 * self.work.ms[1] / 1000

    @property
    def capacity(self) -> float:
        """Requests per second in batches that one can wait out and still be answered in the next."""
        rates = (n / ms for n, ms in enumerate(self.work.ms) if n and 2 * ms <= 1000 * self.limit_s)
        return 1000 * max(rates) / self.weight

    def best(self, due: Sequence[float]) -> int:
        """Most requests that any schedule answers in time; an upper bound."""
        seconds = [ms / 1000 for ms in self.work.ms]
        return most_in_time(due, self.limit_s, seconds, grid=0.0004, upper=True)


def device(folder: Path) -> Device:
    """20 ms for one row, 1.2 ms for each further one."""
    ms = (0.0, *(FIRST_MS + ROW_MS * n for n in range(MAX_BATCH)))
    return Device(curve(folder, "curve", ms))


def mixed_device(folder: Path) -> Device:
    """The same with rows of four lengths; 16 steps count as a row of the table."""
    ms = (0.0, *(FIRST_MS + ROW_MS * n for n in range(MAX_BATCH * LENGTHS[-1] // 16)))
    weight = sum(LENGTHS) / len(LENGTHS) / 16
    return Device(curve(folder, "mixed", ms, lengths=LENGTHS, unit=16), weight)


def tune(setting: Setting, server: Server, found: Device) -> Settings:
    """The settings of a server that answer most in time, steadily and in bursts."""
    choices = server.choices(1000 * found.limit_s, MAX_BATCH)
    if len(choices) == 1:
        return choices[0]
    scores: list[tuple[float, int]] = []
    for number, settings in enumerate(choices):
        shares: list[float] = []

        def use(live: Live, shares: list[float] = shares) -> None:
            short = setting.seconds / 2
            for due in (
                arrivals.poisson(0.7 * found.capacity, short, seed=11),
                arrivals.bursts(0.8 * found.capacity, short, seed=12),
            ):
                summary = live.open_loop(due, found.limit_s)
                shares.append(summary.in_time / summary.requests)

        try:
            with_server(server, found.work, settings, setting.folder / f"{server.name}-{number}", use)
        except ServiceError as error:
            setting.note(part="tune", server=server.name, settings=dict(settings), failed=str(error))
            continue
        scores.append((sum(shares), number))
        setting.note(part="tune", server=server.name, settings=dict(settings), in_time=[round(s, 3) for s in shares])
    if not scores:
        raise ServiceError(f"{server.name} ran with no setting", help=f"leave it out: --without {server.name}")
    return choices[max(scores)[1]]


def curve_bars(setting: Setting, found: Device) -> list[Bar]:
    """Every server on the curve; ours against the best schedule and the best peer."""
    rate: dict[str, float] = {}
    good: dict[str, dict[str, float]] = {}
    busy: list[float] = []
    loads = _loads(setting, found)
    for server in setting.servers:
        settings = tune(setting, server, found)

        def use(live: Live, server: Server = server) -> None:
            name = server.name

            def share(at: float) -> float:
                before = _busy(live) if server.packages == () else 0.0
                summary = live.open_loop(arrivals.poisson(at, setting.seconds, seed=3), found.limit_s)
                if server.packages == () and summary.in_time >= 0.99 * summary.requests:
                    busy.append((_busy(live) - before) / summary.seconds)
                return summary.in_time / summary.requests

            rate[name] = highest(share, 0.05 * found.capacity, 1.25 * found.capacity, _STEPS)
            setting.note(part="highest rate", server=name, rate=round(rate[name], 1))
            good[name] = {}
            for label, due in loads.items():
                summary = live.open_loop(due, found.limit_s)
                good[name][label] = summary.in_time
                setting.note(part=label, server=name, **summary.model_dump())

        with_server(server, found.work, settings, setting.folder / f"{server.name}-run", use)
    return _curve_bars(setting, found, rate, good, loads, busy)


def _loads(setting: Setting, found: Device) -> dict[str, list[float]]:
    capacity, seconds = found.capacity, setting.seconds
    loads = {
        f"overload {factor:g}x": arrivals.poisson(factor * capacity, seconds, seed=5) for factor in (1.3, 2.0, 4.0)
    }
    loads["bursts"] = arrivals.bursts(0.8 * capacity, 2 * seconds, seed=6)
    if setting.trace is not None:
        loads["trace"] = arrivals.trace(setting.trace, 0.8 * capacity, 2 * seconds)
    return loads


def _curve_bars(
    setting: Setting,
    found: Device,
    rate: dict[str, float],
    good: dict[str, dict[str, float]],
    loads: dict[str, list[float]],
    busy: list[float],
) -> list[Bar]:
    ours, peers = setting.servers[0].name, [server.name for server in setting.servers[1:]]

    def best_share(at: float) -> float:
        due = arrivals.poisson(at, setting.seconds, seed=3)
        return found.best(due) / len(due)

    best = highest(best_share, 0.05 * found.capacity, 1.25 * found.capacity, _STEPS + 4)
    setting.note(part="highest rate", server="clairvoyant", rate=round(best, 1))
    bars = [
        Bar(name="curve: highest rate, of the clairvoyant one", value=rate[ours] / best, unit="", bar=0.90),
        against("curve: highest rate, over the best peer's", rate[ours], {name: rate[name] for name in peers}, 1.45),
    ]
    for label, due in loads.items():
        upper = found.best(due)
        setting.note(part=label, server="clairvoyant", in_time=upper)
        bar = 0.93 if label.startswith("overload") else 0.90
        bars.append(
            Bar(
                name=f"curve, {label}: goodput of the clairvoyant one",
                value=good[ours][label] / upper,
                unit="",
                bar=bar,
            )
        )
        if not label.startswith("overload"):
            theirs = {name: good[name][label] for name in peers}
            bars.append(against(f"curve, {label}: goodput over the best peer's", good[ours][label], theirs, 2.5))
    overloads = [row for row in setting.rows if row.get("server") == ours and str(row["part"]).startswith("overload")]
    bars += [
        Bar(
            name="curve, overload: p99 of the accepted",
            value=max(row["p99_ms"] for row in overloads),
            unit="ms",
            bar=1000 * found.limit_s,
            least=False,
        ),
        Bar(
            name="curve, overload: 95 % of refusals told within",
            value=max(row["refusal_p95_ms"] for row in overloads),
            unit="ms",
            bar=5.0,
            least=False,
            note="from the due moment, client included",
        ),
        Bar(name="curve: device busy at the highest rate", value=busy[-1] if busy else None, unit="", bar=0.85),
        Bar(
            name="curve: one request at a time, of that rate",
            value=1000 / found.work.ms[1] / rate[ours] if rate[ours] else None,
            unit="",
            bar=0.40,
            least=False,
        ),
    ]
    return bars


def mixed_bars(setting: Setting, found: Device) -> list[Bar]:
    """Four lengths: goodput over Triton's, where it is among the peers."""
    good: dict[str, float] = {}
    due = arrivals.poisson(0.8 * found.capacity, 2 * setting.seconds, seed=7)
    for server in setting.servers:
        if server.name not in ("burnish", "triton"):
            continue
        settings = tune(setting, server, found)

        def use(live: Live, server: Server = server) -> None:
            summary = live.open_loop(due, found.limit_s)
            good[server.name] = summary.in_time
            setting.note(part="mixed lengths", server=server.name, **summary.model_dump())

        with_server(server, found.work, settings, setting.folder / f"{server.name}-mixed", use)
    theirs = {name: value for name, value in good.items() if name != "burnish"}
    return [against("curve, four lengths: goodput over Triton's", good["burnish"], theirs, 2.0)]


def closed_bars(setting: Setting) -> list[Bar]:
    """Four clients in a closed loop, 50 ms a batch whatever its size."""
    work = curve(setting.folder, "fixed", (0.0, *(50.0 for _ in range(16))))
    rate: dict[str, float] = {}
    for server in setting.servers:
        for number, settings in enumerate(server.choices(200.0, 16)):

            def use(live: Live, server: Server = server, settings: Settings = settings) -> None:
                found = live.closed_loop(4, setting.seconds)
                rate[server.name] = max(rate.get(server.name, 0.0), found)
                setting.note(part="closed loop", server=server.name, settings=dict(settings), rate=round(found, 1))

            try:
                with_server(server, work, settings, setting.folder / f"{server.name}-closed-{number}", use)
            except ServiceError as error:
                setting.note(part="closed loop", server=server.name, settings=dict(settings), failed=str(error))
    ideal = 4 / 0.051
    note = ", ".join(f"{name} {value / ideal:.2f}" for name, value in rate.items())
    return [
        Bar(
            name="four clients, 50 ms a batch, of the ideal 78/s",
            value=rate["burnish"] / ideal,
            unit="",
            bar=0.95,
            note=note,
        )
    ]


def against(name: str, ours: float, theirs: dict[str, float], bar: float) -> Bar:
    """A bar on how many times the best peer's figure ours is."""
    if not theirs:
        return Bar(name=name, value=None, unit="x", bar=bar, note="no peer ran")
    best = max(theirs, key=lambda peer: theirs[peer])
    note = f"best peer {best}; " + ", ".join(f"{peer} {value:.0f}" for peer, value in theirs.items())
    return Bar(name=name, value=ours / theirs[best] if theirs[best] else None, unit="x", bar=bar, note=note)


def _busy(live: Live) -> float:
    """Seconds that our device has computed since its start, from the protocol's statistics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{live.port}/v2/models/model/stats") as answer:
        stats = json.load(answer)["model_stats"][0]
    return sum(batch["compute_infer"]["ns"] for batch in stats["batch_stats"]) / 1e9
