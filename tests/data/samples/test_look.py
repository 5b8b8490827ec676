"""What a look says of doubles: all of them, while the rest looks at some rows."""

from __future__ import annotations

import numpy as np

from burnish.data.samples.columns import DUPLICATE
from burnish.data.samples.look import look
from burnish.data.split import Split


def rows(seed: int, count: int) -> Split:
    values = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    return Split(inputs={"x": values}, targets=np.zeros(count, np.int64))


def test_doubles_among_rows_that_were_not_drawn_are_told() -> None:
    train = rows(0, 5_000)
    train.inputs["x"][4_000:] = train.inputs["x"][:1_000]  # type: ignore[index]
    found = look(train, rows(1, 100), classes=False, limit=300)
    assert len(found.doubles[0].rows) == 1_000
    assert found.lines[0].startswith("1,000 of 5,000 train rows (20 %) are there twice")
    drawn = found.columns.rows
    assert len(drawn) == 300 and found.columns.flagged(DUPLICATE).tolist() == drawn[drawn >= 4_000].tolist()


def test_validation_rows_are_compared_with_both_others() -> None:
    train, validation, test = rows(0, 400), rows(1, 100), rows(2, 100)
    validation.inputs["x"][3] = train.inputs["x"][7]  # type: ignore[index]
    test.inputs["x"][5] = validation.inputs["x"][4]  # type: ignore[index]
    found = look(train, test, classes=False, limit=50, validation=validation)
    assert [line.split(":")[0] for line in found.lines] == [
        "1 of 100 validation rows (1 %) are also train rows",
        "1 of 100 test rows (1 %) are also validation rows",
    ]
    assert [(d.names, d.rows.tolist(), d.partners.tolist()) for d in found.doubles if len(d.rows)] == [
        (("train", "validation"), [3], [7]),
        (("validation", "test"), [5], [4]),
    ]
    assert not look(train, test, classes=False, limit=50).lines
