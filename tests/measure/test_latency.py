import contextlib

import pytest

from burnish.core.errors import BurnishError, UnknownName
from burnish.core.measurement import LatencyProfile, Measurement
from burnish.measure.latency import compare
from burnish.measure.profiles import ratio, samples_per_second
from burnish.measure.worker_process import WorkerProcess
from tests.measure.sample import candidate, requests


class Counter:
    def __init__(self):
        self.notes, self.labels = [], []

    @contextlib.contextmanager
    def task(self, label, total):
        self.label, self.total = label, total
        self.labels.append(label)
        yield self

    def advance(self, steps=1, note=""):
        self.notes.append(note)

    def say(self, text):
        raise AssertionError(text)


def profile(rounds, label="a"):
    value = Measurement(name="p50", value=4.0, unit="ms", low=2.0, high=5.0, n=9, protocol="p", machine="m")
    return LatencyProfile(
        label=label, served="s", p50=value, p95=value, p99=value, rounds_ms=rounds, peak_memory_bytes=1
    )


def test_compare_in_interleaved_rounds():
    counter = Counter()
    pair = [candidate("slow", 20.0), candidate("fast", 1.0)]
    shapes = {"batch 1": requests()}
    (slow, fast) = compare(pair, shapes, rounds=3, calls=4, warmup=1, pause_s=0.0, progress=counter)["batch 1"]
    assert counter.notes == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert (counter.label, counter.total) == ("measuring batch 1", 6)
    assert (slow.label, fast.label) == ("slow", "fast")
    assert len(slow.rounds_ms) == len(fast.rounds_ms) == 3
    assert slow.p50.value >= 20
    assert slow.p50.n == 12
    assert slow.p50.low <= slow.p50.value <= slow.p50.high
    assert slow.p50.value <= slow.p95.value <= slow.p99.value
    assert slow.p50.warmup == 5
    assert "3 interleaved rounds of 4 calls" in slow.p50.protocol
    assert slow.peak_memory_bytes > 0
    assert ratio(fast, slow).value > 2


def test_errors_of_a_candidate_come_through():
    with pytest.raises(UnknownName, match="typo") as caught:
        compare([candidate("bad", 1.0, backend="typo")], {"s": requests()})
    assert caught.value.where == "bad"
    one = [candidate("a", 1.0)]
    for candidates, shapes in (([], {"s": requests()}), (one, {}), (one, {"s": []})):
        with pytest.raises(BurnishError, match="nothing to measure"):
            compare(candidates, shapes)


def test_a_candidate_is_opened_once_for_all_shapes_the_smallest_first(monkeypatch):
    counter, verbs, ask = Counter(), [], WorkerProcess.ask

    def watched(self, verb, **body):
        verbs.append(verb)
        return ask(self, verb, **body)

    monkeypatch.setattr(WorkerProcess, "ask", watched)
    shapes = {"batch 9": requests(batch=9), "batch 1": requests(batch=1)}
    by_batch = candidate("one", 0.0, options={"ms": {"1": 1.0, "9": 20.0}})
    found = compare([by_batch], shapes, rounds=3, calls=2, warmup=0, pause_s=0.0, progress=counter)
    assert list(found) == ["batch 9", "batch 1"]
    assert (verbs.count("load"), verbs.count("take")) == (1, 2)
    assert counter.labels == ["measuring batch 1", "measuring batch 9"]
    assert found["batch 9"][0].served == "batch 9"
    assert found["batch 9"][0].p50.value >= 20 > found["batch 1"][0].p50.value


def test_ratio_is_paired_by_round():
    found = ratio(profile((1.0, 2.0, 4.0)), profile((2.0, 4.0, 8.0), "base"))
    assert (found.baseline, found.value, found.low, found.high) == ("base", 2.0, 2.0, 2.0)
    with pytest.raises(BurnishError, match="same comparison"):
        ratio(profile((1.0,)), profile((1.0, 2.0)))


def test_samples_per_second_turns_the_bounds_round():
    found = samples_per_second(profile((1.0,)), batch=8)
    assert (found.low, found.value, found.high) == (1600.0, 2000.0, 4000.0)
    assert found.unit == "samples/s"
