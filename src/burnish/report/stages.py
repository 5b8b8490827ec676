"""The page's view of the stages: what each pass did, what it gained, what was taken back.

`Evidence.measured` is read by these names: `validation` (the score), `gain` (speed against the
stage before), `parameters`, `macs`, `size_bytes`. Where an amount is missing, the stage's fastest
exact candidate stands in; the speed against the base always is that candidate's.
"""

from __future__ import annotations

from burnish.core.evidence import Evidence, Ledger, Point
from burnish.report import format, markup, summary

_COLUMNS = (
    ("stage", ""), ("verdict", ""), ("what changed", ""), ("validation", "n"), ("faster", "n"),
    ("parameters", "n"), ("MACs", "n"), ("size", "n"), ("time", "n"),
)  # fmt: skip
_CHIPS = {"kept": "kept", "rolled back": "rolled", "base": "front"}
_SHOWN = 2


def stage_table(ledger: Ledger) -> str:
    """One row per stage, in order."""
    return markup.table(_COLUMNS, (_row(stage, ledger) for stage in ledger.stages), "Stages of the run")


def rolled_back(ledger: Ledger) -> str:
    """What was taken back or never began, and why; "" when every stage was kept."""
    gone = [stage for stage in ledger.stages if stage.verdict not in ("kept", "base")]
    return "".join(
        f"<h3>{stage.stage} {markup.text(stage.pass_name)}: {markup.text(stage.verdict)}</h3>"
        f"<p>{markup.text(stage.reason or 'no reason was recorded')}</p>"
        f'<p class="soft">Settings: <code>{markup.text(_settings(stage))}</code></p>'
        for stage in gone
    )


def skipped(ledger: Ledger) -> str:
    """What the kept passes left alone, and why."""
    parts = []
    for stage in ledger.stages:
        if stage.verdict != "kept" or not stage.skipped:
            continue
        lines = markup.bullets(f"{skip.where}: {skip.why}" for skip in stage.skipped)
        title = f"{stage.stage} {stage.pass_name} left {len(stage.skipped)} alone"
        parts.append(markup.folded(title, lines) if len(stage.skipped) > 4 else f"<h3>{markup.text(title)}</h3>{lines}")
    return "".join(parts)


def _row(stage: Evidence, ledger: Ledger) -> str:
    verdict = f'<span class="chip {_CHIPS.get(stage.verdict, "")}">{markup.text(stage.verdict)}</span>'
    point = _stand_in(stage, ledger)
    cached = "<small>from cache</small>" if stage.cached else ""
    kind = "" if stage.verdict in ("kept", "base") else ' class="dropped"'
    return (
        f'<tr{kind}><th scope="row">{stage.stage} {markup.text(stage.pass_name)}</th>'
        + markup.cell(verdict)
        + markup.cell(_changed(stage), "text")
        + markup.cell(markup.figure(_validation(stage, ledger)), "n")
        + markup.cell(_speedup(stage, point, ledger), "n")
        + "".join(markup.cell(markup.figure(_amount(stage, point, name)), "n") for name in _AMOUNTS)
        + markup.cell(f"{markup.text(format.duration(stage.seconds))}{cached}", "n")
        + "</tr>"
    )


def notes(ledger: Ledger) -> str:
    """What each pass says of its own work: scores before and after, PTQ beside QAT, widths tried."""
    parts = []
    for stage in ledger.stages:
        if stage.notes:
            lines = (f"{name}: {_note(value)}" for name, value in stage.notes.items())
            parts.append(markup.folded(f"{stage.stage} {stage.pass_name}", markup.bullets(lines)))
    return "".join(parts)


def _note(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_note(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(_note(item) for item in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _changed(stage: Evidence) -> str:
    """A short account: the first changes, the count of the rest; the reason when there is none."""
    if not stage.changes:
        return markup.text(stage.reason or ("the model as given" if stage.verdict == "base" else "nothing"))
    lines = [f"{change.where}: {change.what}" for change in stage.changes]
    first = "<br>".join(markup.breakable(line) for line in lines[:_SHOWN])
    if len(lines) <= _SHOWN:
        return first
    return f"{first}{markup.folded(f'{len(lines) - _SHOWN} more', markup.bullets(lines[_SHOWN:]))}"


def _stand_in(stage: Evidence, ledger: Ledger) -> Point | None:
    if stage.verdict == "base":
        return ledger.base
    shape = summary.primary_shape(ledger)
    mine = [point for point in ledger.points if point.stage == stage.stage and point.exact and shape in point.latency]
    return min(mine, key=lambda point: point.latency[shape].p50.value, default=None)


def _speedup(stage: Evidence, point: Point | None, ledger: Ledger) -> str:
    """Speed against the base; against the stage before, and said so, when the stage left no candidate."""
    if point is not None:
        return markup.figure(format.ratio(point.speedup.get(summary.primary_shape(ledger))))
    gain = stage.measured.get("gain")
    if gain is None:
        return markup.figure(format.NONE)
    return f"{markup.figure(format.times(gain.value))}<small>of the stage before</small>"


def _validation(stage: Evidence, ledger: Ledger) -> str:
    """The score, in percent when the metric is a share."""
    score, known = stage.measured.get("validation"), ledger.base.validation
    if score is not None and known is not None and format.in_points(known) is not None and 0 <= score.value <= 1:
        score = score.model_copy(update={"unit": "share"})
    return format.quality(score, interval=score is not None and score.low < score.high)


_AMOUNTS = ("parameters", "macs", "size_bytes")


def _amount(stage: Evidence, point: Point | None, name: str) -> str:
    measured = stage.measured.get(name)
    value = measured.value if measured else getattr(point, name, 0) if point else 0
    if not value:
        return format.NONE
    return format.size(value) if name == "size_bytes" else format.count(value)


def _settings(stage: Evidence) -> str:
    return ", ".join(f"{name}={value}" for name, value in stage.settings.items()) or "defaults"
