"""The page's view of coverage: how much of a compiled graph really runs in low precision."""

from __future__ import annotations

from burnish.core.evidence import Coverage, Evidence, Ledger
from burnish.report import format, markup

_SHOWN = 12


def coverage_view(ledger: Ledger) -> str:
    """Two meters per quantized stage, and the operators that stayed in higher precision."""
    return "".join(_one(stage, stage.coverage) for stage in ledger.stages if stage.coverage is not None)


def _one(stage: Evidence, coverage: Coverage) -> str:
    name = coverage.precision.upper()
    low = sum(op.precision == coverage.precision for op in coverage.ops)
    total_bytes = sum(op.weight_bytes for op in coverage.ops)
    low_bytes = sum(op.weight_bytes for op in coverage.ops if op.precision == coverage.precision)
    rest = sorted((op for op in coverage.ops if op.precision != coverage.precision), key=lambda op: -op.weight_bytes)
    lines = [f"{op.name} ({op.kind}): {op.precision}, {format.size(op.weight_bytes)} of weights" for op in rest]
    parts = [
        f"<h3>{stage.stage} {markup.text(stage.pass_name)} ({markup.text(stage.verdict)})</h3>",
        _meter("Operators", coverage.op_share, f"{low} of {len(coverage.ops)} in {name}"),
        _meter("Weight bytes", coverage.byte_share, f"{format.size(low_bytes)} of {format.size(total_bytes)}"),
    ]
    if lines:
        parts.append(f"<p>Left in higher precision:</p>{markup.bullets(lines[:_SHOWN])}")
    if len(lines) > _SHOWN:
        parts.append(markup.folded(f"{len(lines) - _SHOWN} more", markup.bullets(lines[_SHOWN:])))
    return "".join(parts)


def _meter(label: str, share: float, note: str) -> str:
    percent = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<div class="meter"><span>{label}</span><span class="track"><i style="width:{percent:.2f}%"></i></span>'
        f"<span><b>{percent:.1f}%</b> <span class='soft'>{markup.text(note)}</span></span></div>"
    )
