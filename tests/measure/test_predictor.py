import numpy as np
import pytest

from burnish.core.doors import BACKENDS
from burnish.core.errors import BurnishError
from burnish.measure.latency import Candidate
from burnish.measure.predictor import Predictor
from burnish.measure.quality import predictions
from burnish.model.variant import predict
from tests import tiny


@pytest.fixture
def candidate(tmp_path):
    context = tiny.context()
    folder = tmp_path / "built"
    folder.mkdir()
    BACKENDS.get("eager").build(tiny.trained().program(context.signature, context.examples), folder, {})
    return Candidate(label="tiny", backend="eager", folder=folder, signature=context.signature)


def test_it_answers_what_the_module_answers(candidate, tmp_path):
    split = tiny.rows(70, 3)
    with Predictor(1, tmp_path) as predictor:
        for _ in range(2):
            with predictor.opened(candidate) as run:
                found = predictions(run, split)
    expected = predict(tiny.trained().module, split.batch(np.arange(70)).inputs)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not list(tmp_path.glob("*.npz"))


def test_a_crash_costs_one_candidate(candidate, tmp_path):
    split = tiny.rows(10, 3)
    with Predictor(1, tmp_path) as predictor:
        with pytest.raises(BurnishError, match="died with code -9"), predictor.opened(candidate) as run:
            predictor._worker._process.kill()
            predictions(run, split)
        with predictor.opened(candidate) as run:
            assert len(predictions(run, split)) == 10


def test_what_cannot_be_loaded_is_said_and_the_process_goes_on(candidate, tmp_path):
    gone = Candidate(label="gone", backend="eager", folder=tmp_path / "no", signature=candidate.signature)
    with Predictor(1, tmp_path) as predictor:
        with pytest.raises(BurnishError), predictor.opened(gone):
            pass
        worker = predictor._worker
        with predictor.opened(candidate) as run:
            assert len(predictions(run, tiny.rows(10, 3))) == 10
        assert predictor._worker is worker
