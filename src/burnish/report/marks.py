"""The points of the plot and their labels, as SVG.

Shape carries what colour carries: filled on the front, hollow off it, a ring round the returned
point, a triangle at the bottom edge for a point far below the others. A label far from its point is
tied to it by a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from burnish.core.evidence import Point
from burnish.core.measurement import Measurement
from burnish.report import format, summary
from burnish.report.labels import Box, Wanted, place
from burnish.report.scales import Scale

_CHARACTER = 7.8
"""Of the widest font that browsers fall back to, at the size of the labels."""
_LINE = 14.0
_SPACE = 3.0
_NEAR = 20.0


@dataclass(frozen=True)
class Frame:
    """Size of a plot and the margins around its axes, in plot units; `wide` has room for names."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    wide: bool


@dataclass(frozen=True)
class Dot:
    """A candidate to draw, with its number in the table, its latency and its quality."""

    number: int
    point: Point
    x: Measurement
    y: Measurement


@dataclass(frozen=True)
class Spot:
    """Where a dot and its bars lie, in plot units; `pinned` when its quality is off the scale."""

    dot: Dot
    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    pinned: bool


def spot(dot: Dot, across: Scale, up: Scale) -> Spot:
    """Put a dot on the scales."""
    return Spot(
        dot,
        across(dot.x.value),
        up(dot.y.value),
        across(max(dot.x.low, across.low)),
        across(dot.x.high),
        up(dot.y.low),
        up(dot.y.high),
        pinned=not up.low <= dot.y.value <= up.high,
    )


def marker(spot: Spot) -> str:
    """The dot, its bars, and a ring when it was returned."""
    point = spot.dot.point
    kind = "chosen" if point.chosen else "on" if point.on_front else "off"
    x, y = spot.x, spot.y
    text = escape(f"{spot.dot.number} {summary.full_name(point)}: {spot.dot.x}, {format.quality(spot.dot.y)}")
    bars = (
        f'<line x1="{spot.x_low:.1f}" x2="{spot.x_high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{spot.y_low:.1f}" y2="{spot.y_high:.1f}"/>'
    )
    if spot.pinned:
        shape = f'<path class="dot" d="M{x - 5:.1f},{y - 8:.1f}h10l-5,8z"/>'
        bars = ""
    else:
        shape = f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{6 if point.chosen else 4.5}"/>'
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="11"/>' if point.chosen else ""
    return f'<g class="mark {kind}"><title>{text}</title><g class="bars">{bars}</g>{ring}{shape}</g>'


def labels(spots: Sequence[Spot], bounds: Box, lines: Sequence[Box], frame: Frame) -> str:
    """Names beside the points, as far as they find room; `lines` are avoided where possible."""
    order = sorted(spots, key=lambda s: (not s.dot.point.chosen, not s.dot.point.on_front, s.dot.number))
    texts = [_label(spot, frame) for spot in order]
    widths = [len(text) * _CHARACTER + _SPACE for text in texts]
    wanted = [Wanted(spot.x, spot.y, width, _LINE) for spot, width in zip(order, widths, strict=True)]
    hard = [_around(spot) for spot in spots]
    soft = [Box(min(s.x_low, s.x_high) - 1, s.y - 1, s.x_high + 1, s.y + 1) for s in spots]
    soft += [Box(s.x - 1, min(s.y_low, s.y_high) - 1, s.x + 1, max(s.y_low, s.y_high) + 1) for s in spots]
    boxes = place(wanted, hard, [*soft, *lines], bounds)
    parts = []
    for spot, text, box in zip(order, texts, boxes, strict=True):
        if box is None:
            continue
        kind = "label strong" if spot.dot.point.chosen else "label"
        parts.append(_leader(spot, box))
        parts.append(f'<text class="{kind}" {_anchor(spot, box)} y="{box.bottom - 3:.1f}">{escape(text)}</text>')
    return "".join(parts)


def _leader(spot: Spot, box: Box) -> str:
    """A line from the point to its label where another point could be nearer."""
    x = min(max(spot.x, box.left), box.right)
    y = min(max(spot.y, box.top), box.bottom)
    if (x - spot.x) ** 2 + (y - spot.y) ** 2 <= _NEAR**2:
        return ""
    return f'<line class="leader" x1="{spot.x:.1f}" y1="{spot.y:.1f}" x2="{x:.1f}" y2="{y:.1f}"/>'


def _around(spot: Spot) -> Box:
    reach = 12 if spot.dot.point.chosen else 8
    return Box(spot.x - reach, spot.y - reach, spot.x + reach, spot.y + reach)


def _anchor(spot: Spot, box: Box) -> str:
    """Text starts on the side that faces its point, whatever the font's real width."""
    if box.left >= spot.x:
        return f'x="{box.left:.1f}"'
    if box.right <= spot.x:
        return f'x="{box.right:.1f}" text-anchor="end"'
    return f'x="{(box.left + box.right) / 2:.1f}" text-anchor="middle"'


def _label(spot: Spot, frame: Frame) -> str:
    point, number = spot.dot.point, str(spot.dot.number)
    if not frame.wide and not point.chosen:
        return number
    name = summary.full_name(point) if frame.wide else summary.model_name(point)
    room = 40 if frame.wide else 20
    short = name if len(name) <= room else name[: room - 1] + "\u2026"
    return f"{number} {short}"
