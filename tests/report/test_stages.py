from burnish.report.stages import rolled_back, skipped, stage_table
from tests.report import sample


def row(table: str, number: int) -> str:
    return table.split("<tr")[number + 2]


def test_validation_is_in_percent_when_the_metric_is_a_share():
    assert ">76.1%<" in row(stage_table(sample.ledger()), 1)


def test_a_score_that_is_no_share_stays_as_it_is():
    points = [
        p.model_copy(update={"validation": p.validation.model_copy(update={"unit": "nats"})}) for p in sample.points()
    ]
    assert ">0.7610<" in row(stage_table(sample.ledger(points=tuple(points))), 1)


def test_speed_is_that_of_the_stages_fastest_exact_candidate():
    table = stage_table(sample.ledger())
    assert "7.53\u00d7<small>[7.31, 7.83]" in row(table, 2)
    assert "12.3\u00d7<small>[11.9, 12.8]" in row(table, 4)


def test_a_stage_without_candidates_says_what_its_gain_is_relative_to():
    assert "1.58\u00d7<small>of the stage before</small>" in row(stage_table(sample.ledger()), 3)


def test_only_stages_that_are_gone_are_listed_as_gone():
    gone = rolled_back(sample.ledger())
    assert "3 quantize: rolled back" in gone
    assert "mode=ptq, samples=300" in gone
    assert gone.count("<h3>") == 1
    assert rolled_back(sample.ledger(stages=sample.stages()[:3])) == ""


def test_what_kept_stages_left_alone_is_listed():
    assert "1 prune left 12 alone" in skipped(sample.ledger())
    assert skipped(sample.ledger(stages=sample.stages()[:1])) == ""
