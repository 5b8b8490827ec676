"""What was set over HTTP, after a restart."""

from __future__ import annotations

import shutil

import pytest

from burnish.serve.rollout.gate import Verdict
from burnish.serve.rollout.settings import Rollout
from burnish.serve.rollout.standing import Standing, fitted, forget, place, recall, remember
from tests.serve.rollout.test_rollouts import TRIED, repository, serving, until_decided

__all__ = ["repository"]
SET = {"labels": {"stable": 1, "next": 2}, "candidate": "next", "weight": 0.25, "shadow": 0.5}


def test_weights_and_labels_go_on_after_a_restart(repository):
    said = []

    async def first(service, _rollouts):
        await service.set_rollout("tiny", SET)
        return service.rollout("tiny")["settings"]

    async def again(service, _rollouts):
        return service.rollout("tiny")

    before = serving(repository, first)
    found = serving(repository, again, said)
    assert found["settings"] == before and before["weight"] == 0.25
    assert (found["state"], found["stable"], found["candidate"]) == ("running", "1", "2")
    assert "goes on with the rollout" in said[0]


def test_what_a_gate_promoted_stays_promoted_without_its_predecessor(repository, images):
    async def first(service, rollouts):
        await service.set_rollout("tiny", TRIED)
        return (await until_decided(service, rollouts, images[:1]))[0]

    async def again(service, _rollouts):
        return service.rollout("tiny")

    assert serving(repository, first).verdict is Verdict.PROMOTE
    found = serving(repository, again)
    assert (found["state"], found["stable"]) == ("promoted", "2") and found["decision"]["candidate"] == "2"
    shutil.rmtree(repository / "tiny" / "1")
    assert serving(repository, again)["stable"] == "2"


def test_a_version_that_is_gone_is_named_and_left_out(repository):
    said = []

    async def first(service, _rollouts):
        await service.set_rollout("tiny", SET)

    async def again(service, _rollouts):
        return service.rollout("tiny")

    serving(repository, first)
    shutil.rmtree(repository / "tiny" / "2")
    found = serving(repository, again, said)
    assert (found["state"], found["stable"], found["labels"]) == ("none", "1", {"stable": "1"})
    assert "label 'next' is left out, version 2 is gone" in said[0] and "'next' is left out" in said[1]


def test_a_file_that_says_something_new_counts_and_so_does_forgetting(repository):
    async def first(service, _rollouts):
        await service.set_rollout("tiny", {"labels": {"stable": 1}})

    async def again(service, _rollouts):
        return service.rollout("tiny")["stable"]

    serving(repository, first)
    assert serving(repository, again) == "1"
    kept = place("tiny", {version: repository / "tiny" / version for version in ("1", "2")})
    forget(kept)
    assert serving(repository, again) == "2"
    serving(repository, first)
    (repository / "tiny" / "rollout.yaml").write_text("labels: {stable: 2}\n")
    assert serving(repository, again) == "2"
    assert recall(kept) is None


def test_what_was_set_is_of_one_repository(repository, tmp_path):
    async def first(service, _rollouts):
        await service.set_rollout("tiny", {"labels": {"stable": 1}})

    async def again(service, _rollouts):
        return service.rollout("tiny")["stable"]

    serving(repository, first)
    shutil.copytree(repository, tmp_path / "other")
    assert serving(tmp_path / "other", again) == "2"


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"noun": "Standing", "version": 1, "model": 3}'])
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    path = tmp_path / "standing.json"
    path.write_text(text)
    assert recall(path) is None and recall(tmp_path / "missing.json") is None
    forget(tmp_path / "missing.json")


def test_it_is_written_whole_and_read_back(tmp_path):
    standing = Standing(model="tiny", settings=Rollout.parse(SET), file=Rollout())
    assert remember(tmp_path / "deep" / "standing.json", standing)
    assert recall(tmp_path / "deep" / "standing.json") == standing
    (tmp_path / "file").write_text("")
    assert not remember(tmp_path / "file" / "standing.json", standing)


def test_without_the_stable_version_nothing_is_tried():
    said = []
    settings = Rollout.parse({"labels": {"stable": 1, "next": 2}, "candidate": 2, "weight": 0.5})
    assert fitted(Standing(model="tiny", settings=settings), {"2"}, said.append) == Rollout(labels={"next": "2"})
    assert len(said) == 2 and "there is no other one beside it" in said[1]
