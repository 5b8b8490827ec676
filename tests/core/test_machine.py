from types import SimpleNamespace

import pytest

from burnish.core import machine
from burnish.core.machine import OtherLoad, fingerprint, versions


def test_the_fingerprint_describes_this_machine():
    found = fingerprint(accelerator="a card")
    assert found.cores >= 1 and found.memory_bytes > 2**28
    assert found.processor and "Python" in found.system
    assert "torch" in found.versions
    assert found.label.endswith(", a card")
    assert f"{found.cores} cores" in found.label


def test_packages_that_are_not_installed_are_left_out():
    assert set(versions(("pytest", "a-package-that-is-not-there"))) == {"pytest"}


def test_instruction_sets_are_read_from_the_processor(monkeypatch):
    info = {"model name": "Chip", "model": "7", "cpu family": "6", "flags": "fpu avx2 avx512_vnni amx_int8"}
    monkeypatch.setattr(machine, "_cpuinfo", lambda: info)
    found = fingerprint()
    assert found.isa == ("avx2", "avx512_vnni", "amx_int8")
    assert found.processor == "Chip family 6 model 7"


@pytest.mark.parametrize(("others", "own", "cores"), [(3.0, 5.0, 1.5), (0.0, 4.0, 0.0), (-1.0, 4.0, 0.0)])
def test_the_load_of_others_is_what_neither_this_process_nor_its_children_took(monkeypatch, others, own, cores):
    state = {"clock": 10.0, "busy": 100.0, "own": 7.0}

    class Process:
        def __init__(self, share: float = 0.5) -> None:
            self.share = share

        def children(self, recursive: bool) -> list["Process"]:
            assert recursive
            return [Process()]

        def cpu_times(self) -> SimpleNamespace:
            return SimpleNamespace(user=self.share * state["own"], system=0.0)

    def cpu_times(percpu: bool) -> list[SimpleNamespace]:
        assert percpu
        core = SimpleNamespace(user=state["busy"] / 2, nice=0.0, system=state["busy"] / 2, idle=1e6, guest=50.0)
        return [core, SimpleNamespace(user=1e6, system=1e6, idle=0.0)]

    monkeypatch.setattr(machine, "psutil", SimpleNamespace(Process=Process, cpu_times=cpu_times, NoSuchProcess=OSError))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0})
    monkeypatch.setattr(machine.time, "perf_counter", lambda: state["clock"])
    load = OtherLoad()
    assert load.cores() == 0.0
    state.update(clock=12.0, busy=100.0 + others + own, own=7.0 + own)
    assert load.cores() == pytest.approx(cores)
