import re

from burnish.report.plots import pareto, quality_source
from tests.report import sample


def test_quality_is_read_from_the_test_rows_only_when_every_exact_candidate_has_them():
    points = list(sample.points())
    points[6] = points[6].model_copy(update={"test": None})
    assert quality_source(sample.ledger(points=tuple(points))) == "test"
    points[5] = points[5].model_copy(update={"test": None})
    assert quality_source(sample.ledger(points=tuple(points))) == "validation"


def test_faster_is_further_left_and_better_is_higher():
    wide = pareto(sample.ledger(), sample.SHAPES[0]).partition("</svg>")[0]
    found = re.findall(r'<title>(\d).*?class="dot" cx="([\d.]+)" cy="([\d.]+)"', wide)
    places = {int(number): (float(x), float(y)) for number, x, y in found}
    assert places[8][0] < places[5][0] < places[4][0] < places[1][0]
    assert places[4][1] < places[1][1] < places[8][1]


def test_every_point_is_named_once_in_the_wide_plot():
    wide = pareto(sample.ledger(), sample.SHAPES[0]).partition("</svg>")[0]
    labels = re.findall(r'<text class="label[^"]*"[^>]*>(\d+) ', wide)
    assert sorted(labels) == [str(number) for number in range(1, 9)]


def test_fewer_than_two_points_are_no_plot():
    assert pareto(sample.ledger(points=(sample.points()[-1],)), sample.SHAPES[0]) == ""
    assert pareto(sample.ledger(), "a shape nobody was timed at") == ""


def test_identical_measurements_do_not_break_the_axes():
    point = sample.points()[-1]
    twin = point.model_copy(update={"chosen": False})
    assert pareto(sample.ledger(points=(point, twin), budget=""), sample.SHAPES[0]).count("<svg") == 2


def test_a_label_far_from_its_point_is_tied_to_it():
    first, *others = sample.points()
    crowd = [first, *(point.model_copy(update={"latency": first.latency, "test": first.test}) for point in others)]
    wide = pareto(sample.ledger(points=tuple(crowd)), sample.SHAPES[0]).partition("</svg>")[0]
    x, y = re.search(r'class="dot" cx="([\d.]+)" cy="([\d.]+)"', wide).groups()
    assert f'<line class="leader" x1="{x}" y1="{y}"' in wide
    assert 'class="leader"' not in pareto(sample.ledger(points=tuple(crowd[:2])), sample.SHAPES[0])
