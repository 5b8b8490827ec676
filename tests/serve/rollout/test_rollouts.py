"""Two versions of a real artifact behind a service, spoken to while one of them is tried."""

from __future__ import annotations

import asyncio
import shutil

import numpy as np
import pytest

from burnish.core.errors import RecipeError
from burnish.serve.batch import Limits
from burnish.serve.engine import Engine
from burnish.serve.lane import Lane, Ran
from burnish.serve.protocol.messages import InferRequest, ProtocolError
from burnish.serve.repository import find_models
from burnish.serve.rollout.gate import Verdict
from burnish.serve.rollout.observer import RolloutObserver
from burnish.serve.rollout.record import Decision
from burnish.serve.rollout.rollouts import Rollouts
from burnish.serve.service import Service

GATE = {"errors": 0.3, "late": 0.5, "disagreement": 0.3, "slow_ms": 5000.0, "min_requests": 20}
TRIED = {"labels": {"stable": 1}, "candidate": 2, "weight": 0.5, "shadow": 1.0, "gate": GATE}


@pytest.fixture
def repository(artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    for version in ("1", "2"):
        shutil.copytree(artifact, tmp_path / "models" / "tiny" / version)
    return tmp_path / "models"


def make(_model, _version, folder):
    return Engine(folder, Limits(max_batch=4), target_s=30.0, threads=1)


class Heard(RolloutObserver):
    def __init__(self):
        self.routes, self.compares, self.drops = [], [], []

    def routed(self, model, route):
        self.routes.append(route)

    def compared(self, model, version, differing):
        self.compares.append(differing)

    def dropped(self, model, version, reason):
        self.drops.append(reason)


def serving(repository, body, said=None, heard=None):
    """Run `body(service, rollouts)` with the repository served."""

    async def run():
        rollouts = Rollouts(make, heard, (said if said is not None else []).append, keep=True)
        service = Service(lambda: find_models([repository]), make, rollouts)
        await service.start()
        try:
            return await body(service, rollouts)
        finally:
            await service.stop()

    return asyncio.run(run())


def request(images, **more):
    return InferRequest(inputs={"image": images}, datatypes={"image": "FP32"}, **more)


def spoil(monkeypatch, change):
    """Version 2 answers with `change(outputs)`, a `Ran`; the first runs are its rehearsal and stay as they are."""
    whole = Lane.run

    def run(lane, bucket, parts, done):
        special = lane.folder.name == "2" and any((array == 7.0).all() for array in parts["image"])
        whole(lane, bucket, parts, (lambda ran: done(change(ran))) if special else done)

    monkeypatch.setattr(Lane, "run", run)


async def until_decided(service, rollouts, images, *, clients=3, most=1500):
    """Clients in a closed loop until the gate has decided and everyone has been answered since."""
    answers, decision = [], None

    async def client(number):
        for turn in range(most):
            asked = request(images, id=f"{number}-{turn}")
            answers.append(await asyncio.gather(service.infer("tiny", "", asked), return_exceptions=True))
            if decision is not None:
                return
            await asyncio.sleep(0)

    running = [asyncio.ensure_future(client(number)) for number in range(clients)]
    while decision is None and not all(task.done() for task in running):
        await asyncio.sleep(0.02)
        decision = rollouts.look("tiny")
    await asyncio.gather(*running)
    return decision, [found[0] for found in answers]


def test_a_candidate_as_good_is_promoted_with_requests_on_their_way(repository, images):
    said, heard = [], Heard()

    async def body(service, rollouts):
        await service.set_rollout("tiny", TRIED)
        decision, answers = await until_decided(service, rollouts, images[:1])
        after = await service.infer("tiny", "", request(images[:1], id="0-0"))
        return decision, answers, after.version, service.rollout("tiny"), service.index()

    decision, answers, after, state, index = serving(repository, body, said, heard)
    assert decision is not None and decision.verdict is Verdict.PROMOTE
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert {answer.version for answer in answers} == {"1", "2"} and after == "2"
    assert heard.compares and set(heard.compares) == {0.0}
    assert state["state"] == "promoted" and state["candidate"] == "" and state["decision"]["seconds"] > 0
    assert [item.get("labels") for item in index] == [None, ["stable"]]
    assert "version 2 promoted against 1" in said[-1] and "disagreement candidate 0.0000" in said[-1]


def test_one_that_fails_is_rolled_back_and_only_its_own_requests_failed(repository, images, monkeypatch):
    spoil(monkeypatch, lambda ran: Ran({}, error="out of range"))
    bad = np.full_like(images[:1], 7.0)

    async def body(service, rollouts):
        await service.set_rollout("tiny", TRIED | {"shadow": 0.0, "gate": GATE | {"disagreement": None}})
        decision, answers = await until_decided(service, rollouts, bad)
        after = [await service.infer("tiny", "", request(bad, id=str(number))) for number in range(20)]
        return decision, answers, {answer.version for answer in after}, service.rollout("tiny")["state"]

    decision, answers, after, state = serving(repository, body)
    assert decision.verdict is Verdict.ROLL_BACK and decision.reason.startswith("errors")
    failed = [answer for answer in answers if isinstance(answer, Exception)]
    assert all("out of range" in str(error) for error in failed)
    assert {answer.version for answer in answers if not isinstance(answer, Exception)} == {"1"}
    assert (after, state) == ({"1"}, "rolled back")


def test_a_shadow_is_compared_and_nobody_sees_its_answers(repository, images, monkeypatch):
    spoil(monkeypatch, lambda ran: Ran({name: -array for name, array in ran.outputs.items()}, ran.seconds))
    bad, heard = np.full_like(images[:1], 7.0), Heard()

    async def body(service, rollouts):
        await service.set_rollout("tiny", TRIED | {"weight": 0.0})
        return await until_decided(service, rollouts, bad)

    decision, answers = serving(repository, body, heard=heard)
    assert decision.verdict is Verdict.ROLL_BACK and decision.reason.startswith("disagreement")
    assert {answer.version for answer in answers} == {"1"}
    assert set(heard.compares) == {1.0}
    assert set(heard.drops) <= {"busy"}
    assert len(heard.compares) + len(heard.drops) <= len(answers)


def test_copies_are_dropped_while_there_is_no_room(repository, images):
    heard = Heard()

    async def body(service, rollouts):
        await service.set_rollout("tiny", {"labels": {"stable": 1}, "candidate": 2, "shadow": 1.0})
        return await asyncio.gather(*(service.infer("tiny", "", request(images[:1])) for _ in range(40)))

    answers = serving(repository, body, heard=heard)
    assert len(answers) == 40 and {answer.version for answer in answers} == {"1"}
    assert heard.drops.count("busy") >= 30, "one worker was given more than one copy"


def test_what_was_decided_is_kept_and_not_tried_again(repository, images, tmp_path):
    (repository / "tiny" / "rollout.yaml").write_text(
        "labels: {stable: 1}\ncandidate: 2\nweight: 0.5\nshadow: 1\n"
        "gate: {errors: 0.3, late: 0.5, disagreement: 0.3, slow_ms: 5000, min_requests: 20}\n"
    )

    async def body(service, rollouts):
        return (await until_decided(service, rollouts, images[:1]))[0]

    async def again(service, rollouts):
        return service.rollout("tiny"), rollouts.look("tiny")

    decision, said = serving(repository, body), []
    (record,) = (tmp_path / "cache" / "serve" / "rollouts").iterdir()
    assert Decision.from_json(record.read_text()) == decision
    state, looked = serving(repository, again, said)
    assert (state["state"], state["stable"], looked) == ("promoted", "2", None)
    assert said[0].startswith("decided before")


def test_labels_move_and_a_new_version_waits_for_its_turn(repository, images, artifact):
    async def body(service, rollouts):
        await service.set_rollout("tiny", {"labels": {"stable": 1, "next": 2}})
        found = [(await service.infer("tiny", named, request(images[:1]))).version for named in ("", "stable", "next")]
        shutil.copytree(artifact, repository / "tiny" / "3")
        await service.load("tiny")
        found += [(await service.infer("tiny", named, request(images[:1]))).version for named in ("", "3")]
        await service.set_rollout("tiny", {})
        return [*found, (await service.infer("tiny", "", request(images[:1]))).version]

    assert serving(repository, body) == ["1", "1", "2", "1", "3", "3"]


def test_a_rollout_goes_on_when_another_version_comes_and_ends_with_its_own(repository, images, artifact):
    async def body(service, rollouts):
        await service.set_rollout("tiny", {"candidate": 2, "weight": 0.5, "shadow": 0.5, "gate": {}})
        gate = rollouts.of("tiny").gate
        shutil.copytree(artifact, repository / "tiny" / "3")
        await service.load("tiny")
        same, stable = rollouts.of("tiny").gate is gate, rollouts.of("tiny").router.stable
        shutil.rmtree(repository / "tiny" / "2")
        await service.load("tiny")
        return same, stable, service.rollout("tiny")["state"], service.rollout("tiny")["stable"]

    assert serving(repository, body) == (True, "1", "none", "1")


def test_the_header_chooses_the_candidate(repository, images):
    async def body(service, rollouts):
        await service.set_rollout("tiny", {"candidate": 2})
        asked = request(images[:1])
        told = await service.infer("tiny", "", asked, {"x-canary": "always"})
        return told.version, (await service.infer("tiny", "", asked)).version

    assert serving(repository, body) == ("2", "1")


def test_settings_that_do_not_fit_change_nothing(repository, images):
    (repository / "tiny" / "rollout.yaml").write_text("labels: {stable: 1}\n")

    async def body(service, rollouts):
        for settings, message in (({"candidate": 9}, "no version or label"), ({"wight": 1}, "did you mean 'weight'")):
            with pytest.raises(ProtocolError, match=message) as caught:
                await service.set_rollout("tiny", settings)
            assert caught.value.status == 400
        with pytest.raises(ProtocolError, match="unknown model"):
            await service.set_rollout("other", {})
        (repository / "tiny" / "rollout.yaml").write_text("labels: {stable: 9}\n")
        with pytest.raises(ProtocolError, match="no version '9'"):
            await service.load("tiny")
        return (await service.infer("tiny", "", request(images[:1]))).version

    assert serving(repository, body) == "1"
    with pytest.raises(RecipeError, match="no version '9'"):
        serving(repository, body)
