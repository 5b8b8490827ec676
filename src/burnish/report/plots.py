"""The accuracy-versus-latency plot, as SVG written by hand.

Drawn twice, wide and narrow, and the style sheet shows the one that fits: text keeps its size on a
phone. Colours come from classes, so the plot follows light, dark and print.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise

from burnish.core.evidence import Ledger
from burnish.report import format, limits, marks
from burnish.report.labels import Box
from burnish.report.marks import Dot, Frame, Spot
from burnish.report.scales import Scale

_WIDE = Frame(width=960, height=460, left=64, right=20, top=22, bottom=52, wide=True)
_NARROW = Frame(width=358, height=380, left=46, right=10, top=22, bottom=48, wide=False)


def pareto(ledger: Ledger, shape: str) -> str:
    """SVG of every candidate timed at `shape`; "" when fewer than two can be drawn."""
    percentile, latency_limit = limits.latency_limit(ledger)
    dots = _dots(ledger, shape, percentile)
    if len(dots) < 2:
        return ""
    return "".join(_svg(ledger, dots, frame, shape, percentile, latency_limit) for frame in (_WIDE, _NARROW))


def quality_source(ledger: Ledger) -> str:
    """Which rows the plot's quality comes from: "test" when every exact candidate has it."""
    return "test" if all(point.test is not None for point in ledger.points if point.exact) else "validation"


def _dots(ledger: Ledger, shape: str, percentile: str) -> list[Dot]:
    source = quality_source(ledger)
    dots = []
    for number, point in enumerate(ledger.points, start=1):
        profile, score = point.latency.get(shape), getattr(point, source)
        if profile is not None and score is not None:
            dots.append(Dot(number, point, getattr(profile, percentile), score))
    return dots


def _svg(
    ledger: Ledger, dots: list[Dot], frame: Frame, shape: str, percentile: str, latency_limit: float | None
) -> str:
    floor = _floor(ledger, dots)
    across, up = _scales(dots, frame, floor, latency_limit)
    spots = [marks.spot(dot, across, up) for dot in dots]
    bounds = Box(frame.left, frame.top, frame.width - frame.right, frame.height - frame.bottom)
    lines = _budget_lines(bounds, across, up, floor, latency_limit)
    front = _front(spots)
    unit = "%" if dots[0].y.unit in ("share", "fraction", "ratio", "%", "percent") else dots[0].y.unit
    title = f"{ledger.metric} against latency at {shape}"
    parts = [
        f'<svg class="plot {"wide" if frame.wide else "narrow"}" viewBox="0 0 {frame.width:g} {frame.height:g}" '
        f'role="img" aria-label="{escape(title)}">',
        _grid(bounds, across, up, frame),
        lines.svg,
        _axis_titles(bounds, frame, f"latency {percentile}, ms{_log_note(across)}", f"{ledger.metric}, {unit}"),
        _path(front),
        *(marks.marker(spot) for spot in spots),
        marks.labels(spots, bounds, [*lines.boxes, *_path_boxes(front)], frame),
        "</svg>",
    ]
    return "".join(parts)


def _floor(ledger: Ledger, dots: list[Dot]) -> float | None:
    limit = limits.quality_limit(ledger)
    if limit is None:
        return None
    own = 100.0 if dots[0].y.unit in ("%", "percent") else 1.0
    return dots[0].y.value + limit.value * own if limit.relative else limit.value * own


def _scales(dots: list[Dot], frame: Frame, floor: float | None, latency_limit: float | None) -> tuple[Scale, Scale]:
    xs = [edge for dot in dots for edge in (dot.x.low, dot.x.high, dot.x.value) if edge > 0]
    xs += [latency_limit] if latency_limit and min(xs) / 4 < latency_limit < max(xs) * 4 else []
    log = max(xs) / min(xs) > 4
    pad = (max(xs) / min(xs)) ** 0.06 if log else 1.0
    span = 0.0 if log else (max(xs) - min(xs)) * 0.08
    across = Scale(min(xs) / pad - span, max(xs) * pad + span, frame.left + 8, frame.width - frame.right - 8, log)

    focus = [dot for dot in dots if dot.point.on_front or dot.point.chosen or dot is dots[0]]
    ys = [edge for dot in focus for edge in (dot.y.low, dot.y.high)] + ([floor] if floor is not None else [])
    low, high = min(ys), max(ys)
    reach = (high - low) * 2 or abs(high) * 0.05 or 1.0
    near = [edge for dot in dots for edge in (dot.y.low, dot.y.high) if low - reach <= edge <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = (high - low) * 0.08 or abs(high) * 0.02 or 1.0
    return across, Scale(low - margin, high + margin, frame.height - frame.bottom - 4, frame.top + 4)


def _grid(bounds: Box, across: Scale, up: Scale, frame: Frame) -> str:
    parts = []
    values = up.ticks(6 if frame.wide else 5)
    scale = 100.0 if up.high <= 1.2 and up.low >= -0.2 else 1.0
    for value in values:
        y = up(value)
        parts.append(f'<line class="grid" x1="{bounds.left:g}" x2="{bounds.right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = _tick(value * scale)
        parts.append(f'<text class="tick" x="{bounds.left - 7:g}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value in across.ticks(8 if frame.wide else 5):
        x = across(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bounds.top:g}" y2="{bounds.bottom:g}"/>')
        text = _tick(value)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bounds.bottom + 17:g}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    return format.typeset(f"{round(value, 6):g}")


@dataclass(frozen=True)
class _Lines:
    svg: str
    boxes: tuple[Box, ...]


def _budget_lines(bounds: Box, across: Scale, up: Scale, floor: float | None, latency_limit: float | None) -> _Lines:
    """The limits as dashed lines; the area inside the budget is tinted."""
    in_y = floor is not None and up.low < floor < up.high
    in_x = latency_limit is not None and across.low < latency_limit < across.high
    y = up(floor) if floor is not None and in_y else bounds.bottom
    x = across(latency_limit) if latency_limit is not None and in_x else bounds.right
    parts, boxes = [], []
    if in_x or in_y:
        parts.append(
            f'<rect class="inside" x="{bounds.left:g}" y="{bounds.top:g}" '
            f'width="{x - bounds.left:.1f}" height="{y - bounds.top:.1f}"/>'
        )
    if in_y:
        parts.append(f'<line class="budget" x1="{bounds.left:g}" x2="{bounds.right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="budget-text" x="{bounds.right - 4:g}" y="{y + 13:.1f}" text-anchor="end">budget</text>'
        )
        boxes += [Box(bounds.left, y - 1, bounds.right, y + 1), Box(bounds.right - 50, y, bounds.right, y + 17)]
    if in_x:
        parts.append(f'<line class="budget" x1="{x:.1f}" x2="{x:.1f}" y1="{bounds.top:g}" y2="{bounds.bottom:g}"/>')
        boxes.append(Box(x - 1, bounds.top, x + 1, bounds.bottom))
        if not in_y:
            parts.append(f'<text class="budget-text" x="{x + 4:.1f}" y="{bounds.bottom - 6:g}">budget</text>')
            boxes.append(Box(x, bounds.bottom - 20, x + 50, bounds.bottom))
    return _Lines("".join(parts), tuple(boxes))


def _axis_titles(bounds: Box, frame: Frame, below: str, left: str) -> str:
    middle = (bounds.left + bounds.right) / 2
    return (
        f'<text class="axis" x="{middle:g}" y="{frame.height - 8:g}" text-anchor="middle">{escape(below)}</text>'
        f'<text class="axis" x="4" y="{bounds.top - 8:g}">{escape(left)}</text>'
    )


def _log_note(across: Scale) -> str:
    return " (log scale)" if across.log else ""


def _front(spots: list[Spot]) -> list[tuple[float, float]]:
    """Corners of the staircase through the points on the front, left to right."""
    ordered = sorted((spot for spot in spots if spot.dot.point.on_front and not spot.pinned), key=lambda s: s.x)
    corners: list[tuple[float, float]] = []
    for spot in ordered:
        if corners:
            corners.append((spot.x, corners[-1][1]))
        corners.append((spot.x, spot.y))
    return corners


def _path(corners: list[tuple[float, float]]) -> str:
    if len(corners) < 2:
        return ""
    return '<polyline class="front" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in corners) + '"/>'


def _path_boxes(corners: list[tuple[float, float]]) -> list[Box]:
    pairs = pairwise(corners)
    return [Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in pairs]
