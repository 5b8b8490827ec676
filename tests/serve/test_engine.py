from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.core.errors import ArtifactError
from burnish.serve.ask import Reason
from burnish.serve.batch import Limits
from burnish.serve.cores import Cores
from burnish.serve.engine import Engine
from burnish.serve.lane import Lane, Ran
from burnish.serve.observer import Broadcast, Observer
from burnish.serve.pending import Refused, RunFailed


def on(
    artifact: Path,
    body: Callable[[Engine], Awaitable[Any]],
    *,
    target_s: float = 30.0,
    observer: Observer | None = None,
    **limits: Any,
) -> Any:
    """Run `body` with a started engine."""

    async def run() -> Any:
        engine = Engine(artifact, Limits(**{"max_batch": 4, **limits}), target_s=target_s, threads=1, observer=observer)
        await engine.start()
        try:
            return await body(engine)
        finally:
            await engine.stop(patience_s=1.0)

    return asyncio.run(run())


def test_requests_that_come_together_share_batches_and_get_their_own_rows(artifact, images, scores):
    async def body(engine):
        answers = await asyncio.gather(*(engine.infer({"image": images[i : i + 1]}) for i in range(16)))
        return [answer["scores"] for answer in answers], engine.statistics.to_dict()

    found, counts = on(artifact, body)
    np.testing.assert_allclose(np.concatenate(found), scores, rtol=1e-4, atol=1e-5)
    assert counts["inference_count"] == 16
    assert counts["execution_count"] < 16
    assert max(item["batch_size"] for item in counts["batch_stats"]) == 4


def test_requests_of_several_rows_are_not_torn_apart(artifact, images, scores):
    async def body(engine):
        parts = [images[:3], images[3:5], images[5:6], images[6:10]]
        answers = await asyncio.gather(*(engine.infer({"image": part}) for part in parts))
        return [answer["scores"] for answer in answers]

    found = on(artifact, body)
    assert [len(part) for part in found] == [3, 2, 1, 4]
    np.testing.assert_allclose(np.concatenate(found), scores[:10], rtol=1e-4, atol=1e-5)


def test_the_first_profile_is_there_before_the_first_request(artifact):
    async def body(engine):
        bucket = engine.shapes.bucket({"image": np.zeros((1, 3, 12, 12), np.float32)})
        return [engine.profile.of(bucket).tail(rows) for rows in (1, 2, 4)]

    assert all(seconds > 0 for seconds in on(artifact, body))


def test_every_worker_stays_on_the_cores_it_was_given_and_gives_them_back(artifact):
    cores = Cores.of_machine()

    async def run():
        engine = Engine(artifact, Limits(max_batch=2, instances=2), target_s=30.0, threads=1, cores=cores)
        await engine.start()
        try:
            return engine.cores, [os.sched_getaffinity(pid) for pid in engine.pids]
        finally:
            await engine.stop(patience_s=1.0)

    planned, real = asyncio.run(run())
    assert [set(own) for own in planned] == real
    assert all(len(own) == 1 for own in planned)
    assert not cores.crowded


def test_a_request_that_cannot_be_answered_in_time_is_refused_with_the_reason(artifact, images):
    async def body(engine):
        with pytest.raises(Refused) as caught:
            await engine.infer({"image": images[:1]}, timeout_s=1e-6)
        return caught.value.refusal.reason, engine.statistics.fail.count

    reason, failures = on(artifact, body)
    assert reason in (Reason.LATE, Reason.EXPIRED)
    assert failures == 1


def test_one_that_breaks_the_model_does_not_spoil_its_neighbours(artifact, images, scores, monkeypatch):
    """A model that fails on any batch with a certain image in it, as one with an unknown word would."""
    whole = Lane.run

    def fragile(lane, bucket, parts, done):
        if any((array == 13.0).all() for array in parts["image"]):
            asyncio.get_running_loop().call_soon(done, Ran({}, error="index out of range"))
        else:
            whole(lane, bucket, parts, done)

    monkeypatch.setattr(Lane, "run", fragile)

    async def body(engine):
        rows = [images[:1], images[1:2], np.full((1, 3, 12, 12), 13.0, np.float32), images[2:3]]
        return await asyncio.gather(*(engine.infer({"image": row}) for row in rows), return_exceptions=True)

    first, second, broken, third = on(artifact, body)
    assert isinstance(broken, RunFailed) and "index out of range" in str(broken)
    for number, answer in enumerate((first, second, third)):
        np.testing.assert_allclose(answer["scores"], scores[number : number + 1], rtol=1e-4, atol=1e-5)


def test_a_batch_has_taken_as_long_as_its_worker_says_whenever_it_is_heard(artifact, images, monkeypatch, tmp_path):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))  # what it learns is for this test alone
    whole = Lane.run

    def stamped(lane, bucket, parts, done):
        whole(lane, bucket, parts, lambda ran: done(replace(ran, ended=ran.ended + 500.0)))

    async def body(engine):
        monkeypatch.setattr(Lane, "run", stamped)
        await engine.infer({"image": images[:3]})
        return engine.profile.observed()

    (times,) = (item.seconds for item in on(artifact, body) if item.rows == 3)
    assert max(times) >= 500.0


def test_the_most_urgent_answer_of_a_batch_comes_first(artifact, images, scores):
    async def body(engine):
        order = []

        async def ask(number, timeout_s):
            answer = await engine.infer({"image": images[number : number + 1]}, timeout_s=timeout_s)
            order.append(number)
            return answer["scores"]

        answers = await asyncio.gather(*(ask(number, 60.0 - 10.0 * number) for number in range(4)))
        return order, np.concatenate(answers)

    order, answers = on(artifact, body)
    np.testing.assert_allclose(answers, scores[:4], rtol=1e-4, atol=1e-5)
    assert order == [3, 2, 1, 0]  # they arrived in one round of the loop and share a batch


def test_a_killed_worker_is_started_anew_and_its_requests_are_answered(artifact, images, scores):
    async def body(engine):
        waiting = [asyncio.ensure_future(engine.infer({"image": images[i : i + 1]})) for i in range(6)]
        await asyncio.sleep(0)
        os.kill(engine.pids[0], signal.SIGKILL)
        return await asyncio.gather(*waiting)

    answers = on(artifact, body)
    np.testing.assert_allclose(np.concatenate([a["scores"] for a in answers]), scores[:6], rtol=1e-4, atol=1e-5)


@pytest.fixture
def ahead(monkeypatch):
    """As if every batch took so long that the next one is given out ahead."""
    monkeypatch.setattr("burnish.serve.engine.AHEAD_S", 60.0)
    monkeypatch.setattr("burnish.serve.running._LONG", 0)


def test_batches_that_lie_behind_others_give_everyone_their_own_rows(artifact, images, scores, ahead):
    seen = []

    async def body(engine):
        whole = engine.scheduler.finished

        def finished(batch, now, *, learn=True):
            seen.append(batch.behind is not None)
            return whole(batch, now, learn=learn)

        engine.scheduler.finished = finished
        answers = [engine.infer({"image": images[i : i + 1 + i % 3]}) for i in range(12)]
        return await asyncio.gather(*answers)

    for number, answer in enumerate(on(artifact, body)):
        wanted = scores[number : number + 1 + number % 3]
        np.testing.assert_allclose(answer["scores"], wanted, rtol=1e-4, atol=1e-5)
    assert any(seen)


def test_a_worker_killed_with_a_batch_behind_the_one_it_runs_loses_neither(artifact, images, scores, ahead):
    async def body(engine):
        waiting = [asyncio.ensure_future(engine.infer({"image": images[i : i + 1]})) for i in range(12)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [batch.behind is None for batch in engine.scheduler.running] == [True, False]
        os.kill(engine.pids[0], signal.SIGKILL)
        return await asyncio.gather(*waiting)

    answers = on(artifact, body)
    np.testing.assert_allclose(np.concatenate([a["scores"] for a in answers]), scores[:12], rtol=1e-4, atol=1e-5)


def test_what_a_failed_batch_left_is_run_beside_the_batches_that_lie_behind_it(
    artifact, images, scores, ahead, monkeypatch
):
    whole = Lane.run

    def fragile(lane, bucket, parts, done):
        bad = any((array == 13.0).all() for array in parts["image"])
        whole(lane, bucket, parts, (lambda ran: done(Ran({}, error="index out of range"))) if bad else done)

    monkeypatch.setattr(Lane, "run", fragile)

    async def body(engine):
        rows = [images[n : n + 1] for n in range(12)]
        rows[2] = rows[7] = np.full((1, 3, 12, 12), 13.0, np.float32)
        found = await asyncio.gather(*(engine.infer({"image": row}) for row in rows), return_exceptions=True)
        after = await engine.infer({"image": images[:1]})
        return found, after, engine.scheduler.running

    found, after, running = on(artifact, body)
    assert [number for number, answer in enumerate(found) if isinstance(answer, RunFailed)] == [2, 7]
    for number in (0, 1, 3, 4, 5, 6, 8, 9, 10, 11):
        np.testing.assert_allclose(found[number]["scores"], scores[number : number + 1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after["scores"], scores[:1], rtol=1e-4, atol=1e-5)
    assert running == ()


def test_an_idle_worker_that_is_killed_is_started_anew(artifact, images, scores):
    async def body(engine):
        first = engine.pids[0]
        os.kill(first, signal.SIGKILL)
        while engine.pids[0] in (0, first):
            await asyncio.sleep(0)
        answer = await engine.infer({"image": images[:2]})
        return first, engine.pids[0], answer["scores"]

    first, second, found = on(artifact, body)
    assert second not in (0, first)
    np.testing.assert_allclose(found, scores[:2], rtol=1e-4, atol=1e-5)


def test_a_worker_killed_while_its_version_drains_still_answers_what_waits(artifact, images, scores):
    async def run():
        engine = Engine(artifact, Limits(max_batch=1), target_s=60.0, threads=1)
        await engine.start()
        waiting = [asyncio.ensure_future(engine.infer({"image": images[i : i + 1]})) for i in range(4)]
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(engine.stop(patience_s=60.0))
        await asyncio.sleep(0)
        os.kill(engine.pids[0], signal.SIGKILL)
        found = await asyncio.gather(*waiting)
        await stopping
        return found

    answers = asyncio.run(run())
    np.testing.assert_allclose(np.concatenate([a["scores"] for a in answers]), scores[:4], rtol=1e-4, atol=1e-5)


def test_a_cancelled_request_leaves_the_queue(artifact, images):
    async def body(engine):
        tasks = [asyncio.ensure_future(engine.infer({"image": images[:4]})) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return engine.statistics.rows, engine.scheduler.waiting

    assert on(artifact, body) == (8, 0)


def test_one_whose_client_goes_while_its_batch_runs_is_counted_once(artifact, images):
    class Heard(Observer):
        def __init__(self):
            self.reasons = []

        def refused(self, refusal):
            self.reasons.append(refusal.reason)

    async def body(engine):
        heard = Heard()
        engine.observer = Broadcast([engine.statistics, heard])
        running, refused = (asyncio.ensure_future(engine.infer({"image": images[:4]})) for _ in range(2))
        await asyncio.sleep(0)  # both have arrived
        await asyncio.sleep(0)  # and were planned
        assert [len(batch.asks) for batch in engine.scheduler.running] == [1]
        running.cancel()
        waiting = next(found for found in engine._waiting.values() if found.ask.id == 1)
        engine._refuse(engine.scheduler.cancel([1]))
        assert waiting.answer.done()
        refused.cancel()
        found = await asyncio.gather(running, refused, return_exceptions=True)
        return heard.reasons, [type(error) for error in found], engine.statistics.fail.count

    reasons, errors, failures = on(artifact, body)
    assert reasons == [Reason.CANCELLED, Reason.CANCELLED] and failures == 2
    assert errors == [asyncio.CancelledError, asyncio.CancelledError]


def test_padding_and_the_time_of_workers_are_told(artifact, images):
    class Heard(Observer):
        def __init__(self):
            self.filled_, self.worked_ = [], []

        def filled(self, elements, places):
            self.filled_.append((elements, places))

        def worked(self, instance, held_s, ran_s):
            self.worked_.append((instance, held_s, ran_s))

    heard = Heard()
    on(artifact, lambda engine: engine.infer({"image": images[:2]}), observer=heard)
    ((instance, held, ran),) = heard.worked_
    assert heard.filled_ == [(2 * 3 * 12 * 12, 2 * 3 * 12 * 12)]
    assert instance == 0 and 0 < ran < held


def test_rows_that_would_change_each_others_answers_do_not_share_a_batch(dynamic_artifact, images):
    async def body(engine):
        answers = await asyncio.gather(*(engine.infer({"image": images[i : i + 1]}) for i in range(4)))
        several = await engine.infer({"image": images[:3]})
        assert len(several["scores"]) == 3
        return engine.alone, answers, await engine.infer({"image": images[:1]})

    alone, answers, again = on(dynamic_artifact, body)
    assert "activation ranges" in alone
    np.testing.assert_array_equal(answers[0]["scores"], again["scores"])


def test_an_artifact_that_cannot_be_opened_stops_the_start(artifact, tmp_path):
    import shutil

    broken = Path(shutil.copytree(artifact, tmp_path / "broken"))
    program = next(path for path in (broken / "program").rglob("*") if path.is_file())
    program.write_bytes(program.read_bytes()[:-1] + b"x")

    async def run():
        engine = Engine(broken, Limits(), target_s=1.0, threads=1)
        await engine.start()

    with pytest.raises(ArtifactError, match="did not start"):
        asyncio.run(run())
