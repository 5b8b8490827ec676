import numpy as np
import pytest

from burnish.backends.kinds import null
from burnish.core.errors import BadRequest
from burnish.testing import sequence_inputs, sequence_signature


def load(options=None):
    return null.PART.load(None, options or {}, signature=sequence_signature(), threads=1)


def test_zeros_of_the_right_shapes():
    found = load()({name: tensor.numpy() for name, tensor in sequence_inputs(3, 7).items()})
    assert {name: array.shape for name, array in found.items()} == {"scores": (3, 4), "tokens": (3, 7, 8)}
    assert not np.any(found["tokens"])


def test_waits_as_the_table_says(monkeypatch):
    waits = []
    monkeypatch.setattr(null.time, "sleep", waits.append)
    executable = load({"ms": {"1": 5.0, "4": 20.0}})
    for batch in (1, 3, 9):
        executable({name: tensor.numpy() for name, tensor in sequence_inputs(batch, 2).items()})
    assert waits == [0.005, 0.005, 0.020]


def test_checks_its_inputs():
    with pytest.raises(BadRequest):
        load()({"ids": np.zeros((1, 2), np.int64)})
