from __future__ import annotations

import asyncio
import threading

import pytest

from burnish.artifact.load import read_manifest
from burnish.serve import memory
from burnish.serve.memory import Memory, place, recall, remember
from burnish.serve.profile import Profile


def test_times_are_kept_for_the_same_program_and_threads_only(artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))  # a service of other tests writes for the same program
    manifest = read_manifest(artifact)
    assert place(manifest, 1) == place(manifest, 1) != place(manifest, 2)
    profile = Profile(4)
    profile.observe("a", 2, 0.25)
    remember(place(manifest, 1), profile.observed())
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


def test_what_was_learned_is_written_beside_the_event_loop(tmp_path, monkeypatch):
    profile = Profile(4)
    profile.observe("a", 2, 0.25)
    threads = []

    def written(path, observed):
        threads.append(threading.current_thread())
        remember(path, observed)

    async def run():
        kept = Memory(tmp_path / "learned.json", profile)
        kept.start()
        while not (tmp_path / "learned.json").exists():
            await asyncio.sleep(0.001)
        kept.stop()

    monkeypatch.setattr(memory, "remember", written)
    monkeypatch.setattr(memory, "_EVERY_S", 0.0)
    asyncio.run(run())
    assert threads[0] is not threading.main_thread()
    assert recall(tmp_path / "learned.json", Profile(4))
