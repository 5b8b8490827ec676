from types import SimpleNamespace

import pytest

from burnish.core import machine
from burnish.core.budget import Budget, parse_budget
from burnish.core.errors import Unsupported
from burnish.pipeline import finals
from burnish.pipeline.finalist import too_slow
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


def test_the_slow_ones_of_a_stage_are_not_asked_unless_they_are_fast_at_one_shape():
    rows = [
        finalist("fit on eager", 0, (9.0, 9.0)),
        finalist("fit on ort", 0, (1.0, 2.0)),
        finalist("fit on ort dynamic", 0, (5.0, 8.0)),
        finalist("fit on openvino", 0, (2.9, 9.0)),
        finalist("prune on eager", 1, (9.0, 9.0)),
    ]
    assert too_slow(rows) == {"fit on ort dynamic": "4.0 times slower than fit on ort, or more: left out"}


@pytest.mark.parametrize(("text", "bytes_count"), [("accuracy>=-1pt", False), ("accuracy>=-1pt, size<=4MB", True)])
def test_a_budget_tells_whether_a_smaller_one_may_be_slower(text, bytes_count):
    assert parse_budget(text, "accuracy").limits_bytes is bytes_count
