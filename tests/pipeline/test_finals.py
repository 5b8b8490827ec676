from types import SimpleNamespace

import numpy as np
import pytest

from burnish.core import machine
from burnish.core.budget import Budget, parse_budget
from burnish.core.doors import METRICS
from burnish.core.errors import Unsupported
from burnish.pipeline import finals
from burnish.pipeline.finalist import much_faster
from burnish.pipeline.finals import Finals
from burnish.pipeline.recipe import Compile
from tests.pipeline.fake import profile


def a_finals(bench, **changes):
    fields = {"compile": Compile(), "budget": Budget(), "survivors": ((0, "fit", None),), "machine": ""} | changes
    return Finals(bench=bench, **fields)


def finalist(label, stage=0, latency=None):
    shapes = {} if latency is None else {f"batch {i}": profile(label, ms) for i, ms in enumerate(latency)}
    return SimpleNamespace(label=label, stage=stage, built=label, latency=shapes, speedup={})


@pytest.mark.parametrize(("threads", "others", "lines"), [(4, 0.1, 0), (4, 0.5, 1), (2, 1.9, 0), (2, 2.5, 1)])
def test_a_timing_was_disturbed_when_others_took_more_than_was_free(monkeypatch, threads, others, lines):
    here = machine.fingerprint().model_copy(update={"cores": 4})
    monkeypatch.setattr(finals, "fingerprint", lambda: here)
    first = SimpleNamespace(latency={"batch 1": SimpleNamespace(other_cores=others)})
    found = a_finals(SimpleNamespace(threads=threads)).disturbed([first])
    assert len(found) == lines
    assert all(line.startswith(f"other programs took {others} of 4 cores while batch 1 was measured") for line in found)


class Runs:
    """A bench on which some programs do not run."""

    served = ("batch 0",)
    workload = SimpleNamespace(name="tiny")

    def __init__(self, *broken):
        self.broken, self.asked = broken, []

    def against_first(self, built, shapes, *, labels, **named):
        self.asked.append(list(labels))
        bad = next((label for label in labels if label in self.broken), None)
        if bad is not None:
            raise Unsupported("it does not run", where=f"{bad}, layer 3", why="no such kernel")
        return {shape: [(profile(label, 1.0), f"{label} to {labels[0]}") for label in labels] for shape in shapes}


def test_what_does_not_run_is_dropped_and_the_others_are_timed():
    bench = Runs("fit on ort fast")
    finals = a_finals(bench)
    kept = finals._timed([finalist("fit on eager"), finalist("fit on ort"), finalist("fit on ort fast")])
    assert [item.label for item in kept] == ["fit on eager", "fit on ort"]
    assert finals.failed == {"fit on ort fast": "it does not run; no such kernel"}
    assert bench.asked == [["fit on eager", "fit on ort", "fit on ort fast"], ["fit on eager", "fit on ort"]]
    assert kept[1].speedup == {"batch 0": "fit on ort to fit on eager"}


def test_without_the_model_that_was_given_there_is_nothing_to_compare_with():
    finals = a_finals(Runs("fit on eager", "fit on ort"))
    with pytest.raises(Unsupported, match="no backend here can run the model that was given") as caught:
        finals._timed([finalist("fit on eager"), finalist("fit on ort"), finalist("prune on ort", stage=1)])
    assert "fit on ort: it does not run" in caught.value.why


ROWS = {
    "fit on eager": (0, (9.0, 9.0)),
    "fit on ort": (0, (1.0, 2.0)),
    "fit on ort dynamic": (0, (5.0, 8.0)),
    "fit on openvino": (0, (2.9, 9.0)),
    "prune on eager": (1, (9.0, 9.0)),
}


def test_much_faster_is_so_at_every_shape_and_of_the_same_stage():
    rows = [finalist(label, stage, times) for label, (stage, times) in ROWS.items()]
    found = {row.label: [other.label for other in much_faster(row, rows)] for row in rows}
    assert found == {
        "fit on eager": ["fit on ort"],
        "fit on ort": [],
        "fit on ort dynamic": ["fit on ort"],
        "fit on openvino": [],
        "prune on eager": [],
    }


class Asked:
    """Answers that are right, but for those of some candidates."""

    def __init__(self, wrong=(), inexact=()):
        self.wrong, self.inexact, self.order = wrong, inexact, []

    def __call__(self, **_):
        return self

    def collect(self, finalists):
        self.order.append([item.label for item in finalists])
        for item in finalists:
            item.exact = item.label not in self.inexact
            item.on_validation = np.eye(2)[[1, 0, 1, 0] if item.label in self.wrong else [0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("asked", "budget", "late"),
    [
        (Asked(), "accuracy>=-1pt", []),
        (Asked(inexact=["fit on ort"]), "accuracy>=-1pt", ["fit on ort dynamic"]),
        (Asked(wrong=["fit on ort"]), "accuracy>=-1pt", ["fit on ort dynamic"]),
        (Asked(wrong=["fit on ort"]), "accuracy>=-100pt", []),
    ],
)
def test_a_slow_one_is_asked_only_where_nothing_faster_may_be_returned(monkeypatch, asked, budget, late):
    monkeypatch.setattr("burnish.pipeline.finals.Answers", asked)
    work = SimpleNamespace(
        metric=METRICS.get("accuracy"), validation=SimpleNamespace(targets=np.array([0, 1, 0, 1])), name="tiny"
    )
    rows = [finalist(label, stage, times) for label, (stage, times) in ROWS.items()]
    for row in rows:
        row.on_validation, row.exact, row.reason = None, True, ""
    a_finals(SimpleNamespace(workload=work), budget=parse_budget(budget, "accuracy"))._ask(rows)
    assert asked.order == [[label for label in ROWS if label != "fit on ort dynamic"], *([late] if late else [])]
    told = "left out, fit on ort is at least 3 times as fast at every shape"
    assert rows[2].reason == ("" if late else told)
    assert (rows[2].on_validation is None) == (not late)


def test_with_a_budget_for_bytes_all_are_asked(monkeypatch):
    asked = Asked()
    monkeypatch.setattr("burnish.pipeline.finals.Answers", asked)
    rows = [finalist(label, stage, times) for label, (stage, times) in ROWS.items()]
    work = SimpleNamespace(metric=METRICS.get("accuracy"))
    a_finals(SimpleNamespace(workload=work), budget=parse_budget("size<=4MB", "accuracy"))._ask(rows)
    assert asked.order == [list(ROWS)]


@pytest.mark.parametrize(("text", "bytes_count"), [("accuracy>=-1pt", False), ("accuracy>=-1pt, size<=4MB", True)])
def test_a_budget_tells_whether_a_smaller_one_may_be_slower(text, bytes_count):
    assert parse_budget(text, "accuracy").limits_bytes is bytes_count
