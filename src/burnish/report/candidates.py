"""The page's view of the candidates: every stage's model on every backend, with its numbers."""

from __future__ import annotations

from burnish.core.evidence import Ledger, Point
from burnish.report import format, markup, summary
from burnish.report.plots import quality_source

_CHIPS = {"returned": "returned", "on front": "front", "not exact": "rolled"}


def candidate_table(ledger: Ledger, shape: str, *, full: bool) -> str:
    """One row per candidate at one served shape; `full` adds quality and exactness, and every candidate."""
    source = quality_source(ledger)
    columns = [("model", ""), ("backend", ""), ("p50, ms", "n"), ("p95, ms", "n"), ("p99, ms", "n"), ("faster", "n")]
    if full:
        columns += [(f"{ledger.metric}, {source}", "n"), ("change", "n"), ("same outputs", "")]
    rows = (
        _row(number, point, _timing(point, shape) + (_quality(point, source) if full else []))
        for number, point in enumerate(ledger.points, start=1)
        if full or shape in point.latency
    )
    return markup.table(columns, rows, f"Candidates at {shape}" if shape else "Candidates")


def cost_table(ledger: Ledger) -> str:
    """One row per candidate: what it weighs, and how many rows it takes per second by batch size."""
    batches = tuple(dict.fromkeys(key for point in ledger.points for key in point.throughput))
    columns = [("model", ""), ("backend", ""), ("size", "n"), ("smaller", "n"), ("parameters", "n"), ("MACs", "n")]
    columns += [
        ("peak memory", "n"),
        *((f"rows/s, batch {key}" if key.isdigit() else f"rows/s, {key}", "n") for key in batches),
    ]
    rows = (_row(number, point, _costs(point, batches)) for number, point in enumerate(ledger.points, start=1))
    return markup.table(columns, rows, "Size and throughput of the candidates")


def _row(number: int, point: Point, cells: list[str]) -> str:
    word = summary.mark(point)
    chip = f'<small><span class="chip {_CHIPS[word]}">{word}</span></small>' if word else ""
    head = f'<th scope="row">{number} {markup.text(summary.model_name(point))}{chip}</th>'
    backend = markup.cell(f"{markup.text(point.backend)}<small>{markup.text(_options(point))}</small>")
    kind = ' class="chosen"' if point.chosen else ""
    return f"<tr{kind}>{head}{backend}{''.join(cells)}</tr>"


def _timing(point: Point, shape: str) -> list[str]:
    profile = point.latency.get(shape)
    taken = (profile.p50, profile.p95, profile.p99) if profile else ()
    shown = [f"{format.number(m.value)} [{format.number(m.low)}, {format.number(m.high)}]" for m in taken]
    shown = shown or [format.NONE] * 3
    return [markup.cell(markup.figure(text), "n") for text in (*shown, format.ratio(point.speedup.get(shape)))]


def _quality(point: Point, source: str) -> list[str]:
    exact = "yes" if point.exact else f"no: {point.reason or 'no reason was recorded'}"
    note = f"<small>{markup.text(point.reason)}</small>" if point.exact and point.reason else ""
    return [
        markup.cell(markup.figure(format.quality(getattr(point, source))), "n"),
        markup.cell(markup.figure(format.delta(point.test_delta, unit=False)), "n"),
        markup.cell(f"{markup.text(exact)}{note}", "why"),
    ]


def _costs(point: Point, batches: tuple[str, ...]) -> list[str]:
    peak_bytes = max((profile.peak_memory_bytes for profile in point.latency.values()), default=0)
    amounts = (
        format.size(point.size_bytes) if point.size_bytes else format.NONE,
        format.times(point.smaller),
        format.count(point.parameters) if point.parameters else format.NONE,
        format.count(point.macs) if point.macs else format.NONE,
        format.size(peak_bytes) if peak_bytes else format.NONE,
        *(format.number(point.throughput[key].value) if key in point.throughput else format.NONE for key in batches),
    )
    return [markup.cell(markup.figure(amount), "n") for amount in amounts]


def _options(point: Point) -> str:
    return ", ".join(f"{name} {value}" for name, value in point.options.items())
