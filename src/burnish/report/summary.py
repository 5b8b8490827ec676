"""The run in one line and one table, the same for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.evidence import Ledger, Point, backend_label
from burnish.report import format, limits

COLUMNS = ("#", "model", "backend", "p50", "p95", "faster", "quality", "change", "size", "")
"""Titles of `Row.cells`, in their order."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The parts of the headline; `held` is None when the budget cannot be judged."""

    faster: str
    smaller: str
    quality: str
    budget: str
    held: bool | None
    shape: str
    baseline: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One candidate at the first served shape; `cells` follow `COLUMNS`."""

    cells: tuple[str, ...]
    chosen: bool
    on_front: bool


def headline(ledger: Ledger) -> str:
    """One line: `12.3x faster [11.9, 12.8], 4.1x smaller, accuracy -0.2 points [-0.6, +0.2], budget held`."""
    if ledger.best == ledger.base:
        return f"nothing was better than the model as given, which is returned; {facts(ledger).budget}"
    parts = facts(ledger)
    return ", ".join(
        text for text in (parts.faster + _spread(ledger), parts.smaller, parts.quality, parts.budget) if text
    )


def context(ledger: Ledger) -> str:
    """Where the headline's numbers were taken, and what they are relative to."""
    parts = facts(ledger)
    threads = f"{parts.threads} thread{'s' if parts.threads != 1 else ''}"
    return f"at {parts.shape}, {threads}, against {parts.baseline}" if parts.shape else f"against {parts.baseline}"


def facts(ledger: Ledger) -> Facts:
    """The headline's parts, computed from the returned point."""
    best, base = ledger.best, ledger.base
    shape = primary_shape(ledger)
    speedup = best.speedup.get(shape)
    held, broken = limits.verdict(ledger)
    return Facts(
        faster=_factor(speedup.value, "faster", "slower", "same speed") if speedup else "",
        smaller=_factor(best.smaller, "smaller", "larger", "same size"),
        quality=f"{ledger.metric} {format.delta(best.test_delta)}" if best.test_delta else "",
        budget=_budget(ledger, held, broken),
        held=held,
        shape=shape,
        baseline=speedup.baseline if speedup else full_name(base),
        threads=ledger.threads,
    )


def table(ledger: Ledger) -> tuple[Row, ...]:
    """One row per candidate, the base first, as text."""
    shape = primary_shape(ledger)
    return tuple(_row(number, point, shape) for number, point in enumerate(ledger.points, start=1))


def primary_shape(ledger: Ledger) -> str:
    """The first served shape that the returned point was timed at; "" when none was."""
    return next(iter(ledger.best.latency), "")


def shapes(ledger: Ledger) -> tuple[str, ...]:
    """Every served shape that any candidate was timed at, the first one first."""
    return tuple(dict.fromkeys(shape for point in (ledger.best, *ledger.points) for shape in point.latency))


def model_name(point: Point) -> str:
    """The point's label without its backend, which tables show beside it."""
    head, found, _ = point.label.rpartition(f" on {point.backend}")
    return head if found else point.label


def full_name(point: Point) -> str:
    """The label, with the backend unless it says so itself."""
    if f" on {point.backend}" in point.label:
        return point.label
    return f"{point.label} on {backend_label(point.backend, point.options)}"


def mark(point: Point) -> str:
    """What a reader must know of a candidate at a glance."""
    if point.chosen:
        return "returned"
    if not point.exact:
        return "not exact"
    return "on front" if point.on_front else ""


def _row(number: int, point: Point, shape: str) -> Row:
    latency = point.latency.get(shape)
    speedup = point.speedup.get(shape)
    cells = (
        str(number),
        model_name(point),
        backend_label(point.backend, point.options),
        f"{format.number(latency.p50.value)} ms" if latency else format.NONE,
        f"{format.number(latency.p95.value)} ms" if latency else format.NONE,
        format.times(speedup.value) if speedup else format.NONE,
        format.quality(point.test or point.validation, interval=False),
        format.delta(point.test_delta, unit=False),
        format.size(point.size_bytes) if point.size_bytes else format.NONE,
        mark(point),
    )
    return Row(cells=cells, chosen=point.chosen, on_front=point.on_front)


def _factor(value: float, more: str, less: str, same: str) -> str:
    if value <= 0:
        return ""
    if f"{value:.2f}" == "1.00":
        return same
    word, factor = (more, value) if value > 1 else (less, 1 / value)
    return f"{factor:.1f}x {word}" if factor >= 1.95 else f"{factor:.2f}x {word}"


def _spread(ledger: Ledger) -> str:
    """The quartiles of the speedup, where it is one."""
    speedup = ledger.best.speedup.get(primary_shape(ledger))
    if speedup is None or speedup.value <= 1:
        return ""
    digits = 1 if speedup.value >= 1.95 else 2
    return f" [{speedup.low:.{digits}f}, {speedup.high:.{digits}f}]"


def _budget(ledger: Ledger, held: bool | None, broken: tuple[str, ...]) -> str:
    if not ledger.budget.strip():
        return "no budget given"
    if held is None:
        return f"budget {ledger.budget} not judged"
    return "budget held" if held else f"budget not held: {', '.join(broken)}"
