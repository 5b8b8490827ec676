from __future__ import annotations

import pytest

from burnish.artifact.load import read_manifest
from burnish.serve.memory import place, recall, remember
from burnish.serve.profile import Profile


def test_times_are_kept_for_the_same_program_and_threads_only(artifact):
    manifest = read_manifest(artifact)
    assert place(manifest, 1) == place(manifest, 1) != place(manifest, 2)
    profile = Profile(4)
    profile.observe("a", 2, 0.25)
    remember(place(manifest, 1), profile)
    other = Profile(4)
    assert recall(place(manifest, 1), other)
    assert other.of("a").tail(2) == 0.25


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"noun": "Learned", "version": 1, "observed": [{"rows": 0}]}'])
def test_a_memory_that_cannot_be_read_is_no_memory(tmp_path, text):
    path = tmp_path / "learned.json"
    path.write_text(text)
    profile = Profile(4)
    assert not recall(path, profile) and profile.observed() == ()
    assert not recall(tmp_path / "missing.json", profile)
