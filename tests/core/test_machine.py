from burnish.core import machine
from burnish.core.machine import fingerprint, versions


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
