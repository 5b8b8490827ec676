"""Per-layer chart: width before and after, and the precision each layer ends in.

One line of HTML per layer, so sixty layers stay readable and the names can be searched and copied.
"""

from __future__ import annotations

from html import escape

from burnish.core.evidence import LayerRow
from burnish.report import format
from burnish.report.markup import breakable

_KINDS = {"int8": "p8", "uint8": "p8", "int4": "p4", "bf16": "p16", "f16": "p16", "fp16": "p16"}


def layer_chart(layers: tuple[LayerRow, ...]) -> str:
    """The chart with its legend; "" when the run recorded no layers."""
    if not layers:
        return ""
    widest = max(max(row.width_before, row.width_after) for row in layers) or 1
    before, after = (sum(getattr(row, f"parameters_{when}") for row in layers) for when in ("before", "after"))
    narrowed = sum(row.width_after < row.width_before for row in layers)
    note = (
        f"{len(layers)} layers, {narrowed} of them narrower; "
        f"their parameters went from {format.count(before)} to {format.count(after)}."
    )
    rows = "".join(_row(row, widest) for row in layers)
    return f'<p>{escape(note)}</p>{_legend(layers)}<ol class="layers">{rows}</ol>'


def _row(row: LayerRow, widest: int) -> str:
    before, after = (100 * width / widest for width in (row.width_before, row.width_after))
    same = row.width_before == row.width_after
    width = str(row.width_after) if same else f"{row.width_before} \u2192 {row.width_after}"
    title = f"{row.name} ({row.kind}), parameters {row.parameters_before:,} \u2192 {row.parameters_after:,}"
    return (
        f'<li title="{escape(title)}"><span class="name">{breakable(row.name)}</span>'
        f'<span class="bar"><i class="was" style="width:{before:.2f}%"></i>'
        f'<i class="now {precision_class(row.precision)}" style="width:{after:.2f}%"></i></span>'
        f'<span class="width">{width}</span><span class="precision">{escape(row.precision)}</span></li>'
    )


def _legend(layers: tuple[LayerRow, ...]) -> str:
    tally: dict[str, int] = {}
    for row in layers:
        tally[row.precision] = tally.get(row.precision, 0) + 1
    items = "".join(
        f'<li><i class="key {precision_class(name)}"></i>{escape(name)}, '
        f"{number} {'layers' if number != 1 else 'layer'}</li>"
        for name, number in tally.items()
    )
    return f'<ul class="legend">{items}<li><i class="key was"></i>width before</li></ul>'


def precision_class(precision: str) -> str:
    """The style of a precision: eight bits, four, sixteen, or full."""
    return _KINDS.get(precision.lower(), "p32")
