"""Numbers as people read them: three significant digits, units, intervals, signs.

Everything here gives plain ASCII, which the terminal prints as it is; `typeset` puts the
typographic signs in for the page.
"""

from __future__ import annotations

import math
import re

from burnish.core.measurement import Measurement, Ratio

NONE = "-"
"""What a table shows where nothing was measured."""

_SHARES = {"share", "fraction", "ratio"}
_PERCENT = {"%", "percent"}
_POINTS = {"points", "point", "pt", "pp", "percentage points"}


def number(value: float, digits: int = 3) -> str:
    """Significant digits without an exponent: 0.0421, 4.21, 132, 18400."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def count(value: float) -> str:
    """A count with its thousands folded: 874, 22.7 k, 1.05 M, 3.62 G."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{number(value / limit)} {unit}"
    return number(value) if value != int(value) else str(int(value))


def size(size_bytes: float) -> str:
    """Bytes in powers of ten, as disks count: 812 B, 22.7 kB, 90.9 MB."""
    folded = count(size_bytes)
    head, _, unit = folded.partition(" ")
    return f"{head} {unit}B"


def duration(seconds: float) -> str:
    """Seconds as 0.42 s, 42 s, 3 min 12 s, 1 h 04 min."""
    if seconds < 59.5:
        return f"{number(seconds, 2)} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def ratio(value: Ratio | None) -> str:
    """A ratio with its spread: 12.3x [11.9, 12.8]."""
    if value is None:
        return NONE
    return f"{times(value.value)} [{_factor(value.low)}, {_factor(value.high)}]"


def times(value: float) -> str:
    """A factor with one decimal from ten on, two below: 12.3x, 4.12x."""
    return f"{_factor(value)}x"


def quality(value: Measurement | None, *, interval: bool = True) -> str:
    """A quality number; shares become percent: 91.3% [90.7, 91.9]."""
    if value is None:
        return NONE
    scale, unit = (100.0, "%") if value.unit in _SHARES else (1.0, "%" if value.unit in _PERCENT else "")
    if unit:
        text, low, high = (f"{x * scale:.1f}" for x in (value.value, value.low, value.high))
    else:
        text, low, high = (number(x, 4) for x in (value.value, value.low, value.high))
    return f"{text}{unit} [{low}, {high}]" if interval else f"{text}{unit}"


def in_points(value: Measurement) -> tuple[float, float, float] | None:
    """Value, low and high in percentage points; None when the quantity is no share."""
    if value.unit not in _SHARES | _PERCENT | _POINTS:
        return None
    scale = 100.0 if value.unit in _SHARES else 1.0
    return value.value * scale, value.low * scale, value.high * scale


def delta(value: Measurement | None, *, unit: bool = True) -> str:
    """A signed difference of quality: -0.2 points [-0.6, +0.2]."""
    if value is None:
        return NONE
    points = in_points(value)
    if points is None:
        text, low, high = (_signed(x, number(abs(x), 3)) for x in (value.value, value.low, value.high))
        name = "" if value.unit in ("", "1") else f" {value.unit}"
    else:
        text, low, high = (_signed(x, f"{abs(x):.1f}") for x in points)
        name = " points"
    return f"{text}{name if unit else ''} [{low}, {high}]"


def typeset(text: str) -> str:
    """True minus and multiplication signs, and an en dash alone where nothing was measured."""
    if text == NONE:
        return "\u2013"
    text = re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)
    return re.sub(r"(?<=\d)x(?!\w)", "\u00d7", text)


def _factor(value: float) -> str:
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _signed(value: float, text: str) -> str:
    if float(re.sub(r"[^0-9.]", "", text) or 0) == 0:
        return text
    return f"{'+' if value > 0 else '-'}{text}"
