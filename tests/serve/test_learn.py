from __future__ import annotations

from pathlib import Path

from burnish.artifact.load import read_manifest
from burnish.serve.learn import learn
from burnish.serve.memory import place, remember
from burnish.serve.profile import Profile


def test_a_short_measurement_where_nothing_is_known(artifact: Path):
    found = learn(artifact, 4)
    assert not found.alone and found.num_batches >= 9
    assert 0 < found.seconds(1) <= found.seconds(4)


def test_what_serving_taught_counts(artifact: Path):
    profile = Profile(4)
    for _ in range(40):
        profile.observe("some shape", 4, 2.5)
    remember(place(read_manifest(artifact), 3), profile.observed())
    assert learn(artifact, 4, threads=3).seconds(4) == 2.5


def test_rows_that_must_not_meet_are_told(dynamic_artifact: Path):
    assert "batch" in learn(dynamic_artifact, 4).alone
