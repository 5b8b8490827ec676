from burnish.report import summary
from tests.report import sample


def test_headline_is_computed_from_the_returned_point():
    assert summary.headline(sample.ledger()) == (
        "12.3x faster [11.9, 12.8], 4.1x smaller, accuracy -0.2 points [-0.6, +0.2], budget held"
    )


def test_context_names_shape_threads_and_baseline():
    assert summary.context(sample.ledger()) == "at batch 1, length 128, 2 threads, against base on eager"


def test_a_slower_and_larger_result_is_called_so():
    points = list(sample.points())
    best = points[-1]
    slow = {shape: ratio.model_copy(update={"value": 0.5}) for shape, ratio in best.speedup.items()}
    points[-1] = best.model_copy(update={"speedup": slow, "smaller": 0.8})
    assert summary.headline(sample.ledger(points=tuple(points))).startswith("2.0x slower, 1.25x larger, ")


def test_returning_the_base_is_said_plainly():
    points = [point.model_copy(update={"chosen": index == 0}) for index, point in enumerate(sample.points())]
    assert summary.headline(sample.ledger(points=tuple(points), budget="")) == (
        "nothing was better than the model as given, which is returned; no budget given"
    )


def test_broken_budget_names_the_clause():
    assert summary.headline(sample.ledger(budget="latency_p95<=1ms")).endswith("budget not held: latency_p95<=1ms")


def test_table_has_a_row_per_point_and_marks_the_returned_one():
    rows = summary.table(sample.ledger())
    assert len(rows) == 8
    assert [row.chosen for row in rows] == [False] * 7 + [True]
    assert all(len(row.cells) == len(summary.COLUMNS) for row in rows)
    assert rows[-1].cells == (
        "8", "prune, distill, int8", "openvino int8 1", "3.92 ms", "4.43 ms", "12.3x", "76.2%", "-0.2 [-0.6, +0.2]",
        "22.2 MB", "returned",
    )  # fmt: skip
    assert rows[6].cells[-1] == "not exact"


def test_a_candidate_without_measurements_still_has_a_row():
    bare = sample.points()[3].model_copy(
        update={"latency": {}, "speedup": {}, "test": None, "validation": None, "test_delta": None, "size_bytes": 0}
    )
    row = summary.table(sample.ledger(points=(*sample.points(), bare)))[-1]
    assert row.cells[3:9] == ("-",) * 6


def test_the_first_shape_is_that_of_the_returned_point():
    assert summary.primary_shape(sample.ledger()) == "batch 1, length 128"
    assert summary.shapes(sample.ledger()) == sample.SHAPES
