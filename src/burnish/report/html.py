"""The report: one self-contained HTML page, a view of the ledger and of nothing else.

No script, no link, no font, no picture is loaded, so the page works offline and years later. The
style sheet beside this file is put in whole. Names and reasons come from models, plugins and
users; all of them are escaped.
"""

from __future__ import annotations

from importlib.resources import files

from burnish.core.evidence import Ledger
from burnish.report import format, markup, summary
from burnish.report.candidates import candidate_table, cost_table
from burnish.report.coverage import coverage_view
from burnish.report.layers import layer_chart
from burnish.report.plots import pareto, quality_source
from burnish.report.recipe_text import recipe_text
from burnish.report.stages import notes, rolled_back, skipped, stage_table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LEGEND = (
    '<ul class="legend"><li><i class="key dot chosen"></i>returned</li><li><i class="key dot on"></i>on the front</li>'
    '<li><i class="key dot"></i>beaten, or not exact</li><li><i class="key dash"></i>budget</li></ul>'
)


def render(ledger: Ledger) -> str:
    """The whole page as text."""
    shapes = summary.shapes(ledger)
    body = "".join(
        (
            _top(ledger),
            markup.section(f"{ledger.metric.capitalize()} against latency", _plots(ledger, shapes), "plot"),
            markup.section("Stages", stage_table(ledger), "stages"),
            markup.section("Candidates", _candidates(ledger, shapes), "candidates"),
            markup.section("Rolled back", rolled_back(ledger), "rolled-back"),
            markup.section("Layers", layer_chart(ledger.layers), "layers"),
            markup.section("Low-precision coverage", coverage_view(ledger), "coverage"),
            markup.section("What the passes say", notes(ledger), "notes"),
            markup.section("Left alone", skipped(ledger), "skipped"),
            markup.section("Recipe", f"<pre>{markup.text(recipe_text(ledger.recipe))}</pre>", "recipe"),
            markup.section("Do it again", _commands(ledger), "commands"),
            markup.section("Where this was measured", _machine(ledger), "machine"),
            markup.section("Licence", f"<p>{markup.text(ledger.licence)}</p>" if ledger.licence else "", "licence"),
        )
    )
    version = ledger.machine.versions.get("burnish", "")
    footer = f"Written by Burnish {version} from the ledger of the run."
    return page(f"{ledger.title}: {summary.headline(ledger)}", body, footer)


def page(title: str, body: str, footer: str) -> str:
    """A whole document around markup that is safe already; `title` and `footer` are escaped."""
    style = files("burnish.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{markup.text(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{markup.text(title)}</title>"
        f"<style>{style}</style></head><body><main>{body}"
        f"<footer>{markup.text(footer)}</footer>"
        "</main></body></html>\n"
    )


def _top(ledger: Ledger) -> str:
    facts = summary.facts(ledger)
    best = ledger.best
    run = f"{ledger.workload}, {ledger.started}, took {format.duration(ledger.seconds_total)}"
    shape, base = facts.shape, ledger.base
    profile, before = best.latency.get(shape), base.latency.get(shape)
    spread = best.speedup.get(shape)
    tiles = []
    if facts.faster and profile and before and spread:
        times = f"p50 {format.number(before.p50.value)} to {format.number(profile.p50.value)} ms"
        tiles.append(
            _tile("Latency", facts.faster, times, f"spread {format.number(spread.low)} to {format.number(spread.high)}")
        )
    if facts.smaller:
        tiles.append(
            _tile("On disk", facts.smaller, f"{format.size(base.size_bytes)} to {format.size(best.size_bytes)}")
        )
    if best.test_delta and best.test:
        head, _, interval = format.delta(best.test_delta).partition(" [")
        rows = f"now {format.quality(best.test, interval=False)}, {best.test.n:,} test rows"
        tiles.append(_tile(ledger.metric.capitalize(), head, f"95% interval [{interval}", rows))
    word = {True: "held", False: "not held", None: "not judged"}[facts.held] if ledger.budget else "none given"
    kind = {True: "good", False: "bad", None: ""}[facts.held]
    tiles.append(_tile("Budget", word, *ledger.budget.split(","), kind=kind))
    warnings = "".join(f"<li>{markup.text(warning)}</li>" for warning in ledger.warnings)
    return (
        f'<header><h1>{markup.text(ledger.title)}</h1><p class="run">{markup.text(run)}</p>'
        f'<dl class="facts">{"".join(tiles)}</dl>'
        f'<p class="headline">{markup.text(format.typeset(summary.headline(ledger)))}, measured '
        f"{markup.text(summary.context(ledger))}. Returned: {markup.text(summary.full_name(best))}.</p>"
        + (f'<ul class="warnings">{warnings}</ul>' if warnings else "")
        + "</header>"
    )


def _tile(name: str, value: str, *notes: str, kind: str = "") -> str:
    small = "".join(f"<small>{markup.text(format.typeset(note.strip()))}</small>" for note in notes if note.strip())
    shown = markup.text(format.typeset(value))
    return f'<div><dt>{markup.text(name)}</dt><dd><span class="{kind}">{shown}</span>{small}</dd></div>'


def _plots(ledger: Ledger, shapes: tuple[str, ...]) -> str:
    """The legend once, one plot per served shape, and how to read them."""
    drawn = ((shape, pareto(ledger, shape)) for shape in shapes)
    figures = "".join(f"<figure>{_shape_title(shape)}{drawing}</figure>" for shape, drawing in drawn if drawing)
    note = (
        f"Better is up and to the left. Numbers are those of the candidates below. Bars: 95% interval of "
        f"{ledger.metric} on {quality_source(ledger)} rows, quartiles of latency over rounds."
    )
    return f'{_LEGEND}{figures}<p class="soft">{markup.text(note)}</p>' if figures else ""


def _shape_title(shape: str) -> str:
    return f"<h3>{markup.text(shape[:1].upper() + shape[1:])}</h3>" if shape else ""


def _candidates(ledger: Ledger, shapes: tuple[str, ...]) -> str:
    note = "<p>Second lines: quartiles over rounds for times and ratios, 95% intervals for quality.</p>"
    parts = [note]
    for index, shape in enumerate(shapes or ("",)):
        parts.append(_shape_title(shape) + candidate_table(ledger, shape, full=index == 0))
    return "".join([*parts, "<h3>Size and throughput</h3>", cost_table(ledger)])


def _commands(ledger: Ledger) -> str:
    lines = f"{ledger.command}\n\n# in the folder of the artifact\nburnish verify .\nburnish measure ."
    seed = f"Seed {ledger.seed}, {ledger.threads} threads" + (f", commit {ledger.commit}." if ledger.commit else ".")
    return f"<pre class='wrap'>{markup.text(lines)}</pre><p class='soft'>{markup.text(seed)}</p>"


def _machine(ledger: Ledger) -> str:
    machine = ledger.machine
    rest = ledger.seconds_total - ledger.seconds_training - ledger.seconds_measuring
    left = markup.pairs(
        (
            ("Processor", machine.processor),
            ("Cores", f"{machine.cores}, of which {ledger.threads} used"),
            ("Memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
            ("Instructions", " ".join(machine.isa)),
            ("Accelerator", machine.accelerator),
            ("System", machine.system),
            ("Training", format.duration(ledger.seconds_training)),
            ("Measuring", format.duration(ledger.seconds_measuring)),
            ("Everything else", format.duration(max(0.0, rest))),
        )
    )
    right = markup.pairs(tuple(machine.versions.items()))
    protocols = dict.fromkeys(
        measured.protocol
        for point in ledger.points
        for measured in (*(p.p50 for p in point.latency.values()), point.test)
        if measured is not None and measured.protocol
    )
    how = f"<h3>How</h3>{markup.bullets(protocols)}" if protocols else ""
    return f'<div class="two">{left}{right}</div>{how}'
