import re
from html.parser import HTMLParser

import pytest

from burnish.core.evidence import Change, Ledger
from burnish.report.html import render
from tests.report import sample

VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}
SELF_CLOSED = {"line", "rect", "circle", "path", "polyline"}
HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror='a()'>\" onmouseover=\"b"


class Balanced(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in SELF_CLOSED
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def parse(ledger: Ledger) -> Balanced:
    page = Balanced()
    page.feed(render(ledger))
    page.close()
    assert page.open == []
    return page


def test_the_page_is_well_formed_and_loads_nothing():
    page = parse(sample.ledger())
    assert not page.tags & {"script", "link", "img", "iframe", "object", "base"}
    assert not {name for name, _ in page.attributes} & {"src", "href", "srcset", "xlink:href"}
    assert not re.search(r"url\(|@import|https?://", render(sample.ledger()))


def test_headline_with_its_numbers_shape_and_baseline_is_on_the_page():
    text = parse(sample.ledger()).text
    assert (
        "12.3\u00d7 faster [11.9, 12.8], 4.1\u00d7 smaller, accuracy \u22120.2 points [\u22120.6, +0.2], budget held"
        in text
    )
    assert "at batch 1, length 128, 2 threads, against base on eager" in text


def test_every_stage_point_layer_and_reason_is_on_the_page():
    ledger = sample.ledger()
    text = parse(ledger).text
    for stage in ledger.stages:
        assert f"{stage.stage} {stage.pass_name}{stage.verdict}" in text
    for number, point in enumerate(ledger.points, start=1):
        assert text.count(f"{number} {point.label.partition(' on ')[0]}") >= 3
        assert point.reason in text
    for row in ledger.layers:
        assert row.name in text
    assert "validation fell by 2.7 points" in text
    assert "width 1536 to 480" in text


def test_coverage_counts_operators_and_bytes():
    text = parse(sample.ledger()).text
    assert "36 of 38 in INT8" in text
    assert "encoder.layer.5.output.dense (linear): fp32, 147 kB of weights" in text


def test_commands_recipe_machine_warnings_and_licence_are_on_the_page():
    ledger = sample.ledger()
    text = parse(ledger).text
    for wanted in (ledger.command, "burnish verify .", "criterion: taylor", ledger.licence, *ledger.warnings):
        assert wanted in text
    assert ledger.machine.processor in text
    assert all(version in text for version in ledger.machine.versions.values())


def test_hostile_names_stay_text():
    first, *others = sample.stages()
    stage = first.model_copy(update={
        "pass_name": HOSTILE, "reason": HOSTILE, "settings": {HOSTILE: HOSTILE}, "verdict": "unsupported",
    })  # fmt: skip
    changed = others[0].model_copy(update={"changes": (Change(where=HOSTILE, what=HOSTILE),) * 4})
    points = tuple(
        point.model_copy(
            update={"label": HOSTILE, "backend": HOSTILE, "options": {HOSTILE: HOSTILE}, "reason": HOSTILE}
        )
        for point in sample.points()
    )
    layers = tuple(
        row.model_copy(update={"name": HOSTILE, "precision": HOSTILE, "kind": HOSTILE}) for row in sample.layers()
    )
    ledger = sample.ledger(
        title=HOSTILE, workload=HOSTILE, metric=HOSTILE, budget=HOSTILE, command=HOSTILE, licence=HOSTILE,
        warnings=(HOSTILE,), recipe={HOSTILE: [HOSTILE]}, stages=(stage, changed, *others),
        points=points, layers=layers,
    )  # fmt: skip
    page = parse(ledger)
    assert not page.tags & {"script", "img"}
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert HOSTILE in page.text


def test_the_bare_minimum_of_a_run_still_gives_a_page():
    base = sample.points()[0].model_copy(update={
        "chosen": True, "test": None, "test_delta": None, "latency": {}, "speedup": {}, "throughput": {},
    })  # fmt: skip
    ledger = sample.ledger(points=(base,), stages=sample.stages()[:1], layers=(), warnings=(), budget="", licence="")
    page = parse(ledger)
    assert "nothing was better than the model as given" in page.text
    assert "svg" not in page.tags
    assert "none given" in page.text


def test_a_budget_that_is_not_held_is_said_in_words_not_only_in_colour():
    assert "not held" in parse(sample.ledger(budget="latency_p95<=1ms")).text


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_a_broken_candidate_does_not_squash_the_plot(drop: float):
    points = list(sample.points())
    broken = points[6].test.model_copy(update={"value": 0.76 - drop, "low": 0.75 - drop, "high": 0.77 - drop})
    points[6] = points[6].model_copy(update={"test": broken})
    page = render(sample.ledger(points=tuple(points)))
    assert ('<path class="dot"' in page) == bool(drop)
    assert ">76<" in page


def test_a_wide_and_a_narrow_plot_are_drawn_for_every_shape():
    page = render(sample.ledger())
    assert page.count('<svg class="plot wide"') == page.count('<svg class="plot narrow"') == 2
    assert page.count('class="mark chosen"') == 4
    assert page.count('class="budget"') == 8
