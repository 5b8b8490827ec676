from types import SimpleNamespace

import pytest

from burnish.core import machine
from burnish.pipeline import finals
from burnish.pipeline.finals import Finals
from burnish.pipeline.recipe import Compile


@pytest.mark.parametrize(("threads", "others", "lines"), [(4, 0.1, 0), (4, 0.5, 1), (2, 1.9, 0), (2, 2.5, 1)])
def test_a_timing_was_disturbed_when_others_took_more_than_was_free(monkeypatch, threads, others, lines):
    here = machine.fingerprint().model_copy(update={"cores": 4})
    monkeypatch.setattr(finals, "fingerprint", lambda: here)
    first = SimpleNamespace(latency={"batch 1": SimpleNamespace(other_cores=others)})
    found = Finals(bench=SimpleNamespace(threads=threads), compile=Compile(), survivors=(), machine="").disturbed(
        [first]
    )
    assert len(found) == lines
    assert all(line.startswith(f"other programs took {others} of 4 cores while batch 1 was measured") for line in found)
