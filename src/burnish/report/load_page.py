"""What a service made of a load, as a page: goodput and latency against the rate, and the table behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from burnish.report import markup
from burnish.report.html import page
from burnish.report.scales import Scale
from burnish.serve.load.summary import Summary

_WIDE, _NARROW = (960.0, 320.0), (358.0, 280.0)
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 20.0, 26.0, 48.0
_LETTER, _APART = 7.0, 15.0
"""Width of a letter of a line's name, and the least distance of two names."""


@dataclass(frozen=True)
class Line:
    """A named row of values, one for each rate; `strong` is the one to look at."""

    name: str
    values: tuple[float, ...]
    strong: bool = False


def render_load(found: Sequence[Summary], *, url: str, pattern: str, deadline_ms: float, knee: float) -> str:
    """The whole page as text. `found` are runs in order of their rate."""
    rates = tuple(item.rate for item in found)
    good = (
        Line("requests sent", rates),
        Line("answers in time", tuple(item.goodput for item in found), strong=True),
    )
    times = (
        Line("p50", tuple(item.p50_ms for item in found)),
        Line("p95", tuple(item.p95_ms for item in found)),
        Line("p99", tuple(item.p99_ms for item in found), strong=True),
    )
    kept = f"keeps up with {knee:.4g} requests per second" if knee else "keeps up with none of these rates"
    top = (
        f'<header><h1>Load on {markup.text(url)}</h1><p class="run">{markup.text(pattern)}, answers within '
        f"{deadline_ms:g} ms count</p></header><p><strong>It {kept}</strong>: at least 99 % are answered in time.</p>"
    )
    body = "".join(
        (
            top,
            markup.section("Goodput", _plot(rates, good, "answers in time per second"), "goodput"),
            markup.section("Latency", _plot(rates, times, "ms", limit=deadline_ms), "latency"),
            markup.section("Runs", _table(found), "runs"),
        )
    )
    return page(f"Load on {url}", body, "Latency counts from the moment a request was due.")


def _table(found: Sequence[Summary]) -> str:
    titles = ("rate /s", "sent", "in time", "goodput /s", "p50 ms", "p95 ms", "p99 ms", "refused")
    rows = []
    for item in found:
        share = item.in_time / item.requests if item.requests else 0.0
        refused = ", ".join(f"{count} x {status}" for status, count in item.refusals.items()) or "-"
        cells = [f"{item.rate:.4g}", f"{item.requests}", f"{share:.1%}", f"{item.goodput:.4g}"]
        cells += [f"{value:.1f}" for value in (item.p50_ms, item.p95_ms, item.p99_ms)]
        rows.append("<tr>" + "".join(markup.cell(markup.text(cell), "n") for cell in [*cells, refused]) + "</tr>")
    return markup.table([(title, "n") for title in titles], rows, "Runs")


def _plot(rates: tuple[float, ...], lines: Sequence[Line], unit: str, *, limit: float | None = None) -> str:
    """The same lines drawn wide and narrow; the style sheet shows the one that fits."""
    return "".join(
        _svg(rates, lines, unit, limit, *size, kind) for size, kind in ((_WIDE, "wide"), (_NARROW, "narrow"))
    )


def _svg(
    rates: tuple[float, ...],
    lines: Sequence[Line],
    unit: str,
    limit: float | None,
    width: float,
    height: float,
    kind: str,
) -> str:
    high = max([value for line in lines for value in line.values] + [limit or 0.0, 1e-9])
    if limit is not None:
        high = min(high, 4 * limit)
    names = _RIGHT + _LETTER * max(len(line.name) for line in lines)
    across = Scale(0.0, max(rates, default=1.0), _LEFT, width - names)
    up = Scale(0.0, 1.08 * high, height - _BOTTOM, _TOP)
    parts = [f'<svg class="plot {kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(unit)}">']
    for tick in up.ticks(5):
        y = up(tick)
        parts.append(f'<line class="grid" x1="{_LEFT:g}" x2="{width - names:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in across.ticks(8 if kind == "wide" else 4):
        x = across(tick)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - _BOTTOM + 16:g}" text-anchor="middle">{tick:g}</text>'
        )
    if limit is not None:
        y = up(limit)
        parts.append(f'<line class="budget" x1="{_LEFT:g}" x2="{width - names:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="budget-text" x="{_LEFT + 6:g}" y="{y - 5:.1f}">deadline</text>')
    places = _apart([up(line.values[-1]) for line in lines], _TOP, height - _BOTTOM)
    parts += [_line(rates, line, across, up, label_y=y) for line, y in zip(lines, places, strict=True)]
    parts.append(f'<text class="axis" x="{_LEFT:g}" y="14">{escape(unit)}</text>')
    place = f'x="{(_LEFT + width - names) / 2:g}" y="{height - 8:g}" text-anchor="middle"'
    parts.append(f'<text class="axis" {place}>requests sent per second</text></svg>')
    return "".join(parts)


def _line(rates: tuple[float, ...], line: Line, across: Scale, up: Scale, *, label_y: float) -> str:
    points = [(across(rate), up(value)) for rate, value in zip(rates, line.values, strict=True)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<g class="mark {"on" if line.strong else "off"}"><title>{escape(line.name)}: {value:g} at {rate:g}/s</title>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
        for (x, y), rate, value in zip(points, rates, line.values, strict=True)
    )
    kind = "label strong" if line.strong else "label"
    place = f'x="{points[-1][0] + 10:.1f}" y="{label_y + 4:.1f}"'
    name = f'<text class="{kind}" {place}>{escape(line.name)}</text>'
    return f'<polyline class="front" points="{corners}"/>{dots}{name}'


def _apart(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Heights of names near those wanted, in their order, at least `_APART` from each other and within the plot."""
    found = list(wanted)
    below = bottom
    for place in sorted(range(len(found)), key=lambda place: wanted[place], reverse=True):
        found[place] = below = min(max(wanted[place], top), below)
        below -= _APART
    return found
