"""What a number was measured on: the machine's fingerprint, its free memory, and what other programs took."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from pathlib import Path

import psutil

from burnish.core.noun import Noun

_ISA = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "sve",
)  # fmt: skip
INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimd"})
"""Instruction sets with int8 products that cannot overflow; with AVX2 alone sums of two saturate at 16 bits."""

_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_PACKAGES = ("burnish", "torch", "onnxruntime", "openvino", "nncf", "torch-pruning", "transformers", "numpy")


class Machine(Noun):
    """Processor, instruction sets, memory and versions of what runs models here."""

    processor: str
    cores: int
    memory_bytes: int
    isa: tuple[str, ...]
    accelerator: str = ""
    system: str
    versions: dict[str, str]

    @property
    def label(self) -> str:
        """One line for tables."""
        gib = self.memory_bytes / 2**30
        extra = f", {self.accelerator}" if self.accelerator else ""
        return f"{self.processor}, {self.cores} cores, {gib:.0f} GiB, {' '.join(self.isa)}{extra}"


def fingerprint(*, accelerator: str = "") -> Machine:
    """Read the machine this process runs on."""
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    name = info.get("model name", platform.processor() or platform.machine())
    model = info.get("model")
    if model and not any(ch.isdigit() for ch in name):
        name = f"{name} family {info.get('cpu family')} model {model}"
    return Machine(
        processor=name,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        isa=tuple(flag for flag in _ISA if flag in flags),
        accelerator=accelerator,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions=versions(_PACKAGES),
    )


def available_bytes() -> int:
    """Memory that new processes can take without swapping, as the kernel reckons it."""
    return int(psutil.virtual_memory().available)


class OtherLoad:
    """Cores that other programs take while this process and its children work, from when it is made.

    Counts the cores that this process may run on; time that a hypervisor gives to others counts too.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._before = self._taken()

    def cores(self) -> float:
        """Their mean number up to now. Children that ended meanwhile count as others."""
        passed = time.perf_counter() - self._began
        return max(0.0, self._taken() - self._before) / passed if passed > 0 else 0.0

    def _taken(self) -> float:
        every = psutil.cpu_times(percpu=True)
        mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(every))
        busy = sum(getattr(every[i], kind, 0.0) for i in mine if i < len(every) for kind in _BUSY)
        own = 0.0
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                own += times.user + times.system
        return busy - own


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of those of `packages` that are installed."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
