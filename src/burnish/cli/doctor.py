"""`burnish doctor`: what this machine can do, and the command for what it cannot."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
from typing import Any

from burnish.cli.terminal.console import print_line, print_rows
from burnish.core.doors import BACKENDS, DOORS
from burnish.core.errors import BurnishError
from burnish.core.machine import Machine, fingerprint, versions
from burnish.core.noun import Noun

_EXTRA = re.compile(r"^([A-Za-z0-9][\w.-]*).*extra\s*==\s*['\"]([\w-]+)['\"]")
_TOOLS = (("g++", "apt-get install g++"), ("ninja", "pip install ninja"))


class Check(Noun):
    """One thing that may be there or not; `reason` says what it is for or why it is missing."""

    kind: str
    name: str
    ok: bool
    reason: str = ""
    help: str = ""


class Checkup(Noun):
    """Everything `burnish doctor` found. `threads` is what torch uses unless told otherwise."""

    machine: Machine
    threads: int
    checks: tuple[Check, ...]
    parts: dict[str, tuple[str, ...]]


def show_doctor(*, as_json: bool) -> None:
    """Print the check-up as tables, or as one JSON document on stdout."""
    found = examine()
    if as_json:
        print_line(json.dumps(json.loads(found.to_json()), indent=2))
        return
    print_rows(("machine", ""), _machine_rows(found))
    rows = [(c.kind, c.name, "ok" if c.ok else "missing", c.reason, c.help) for c in found.checks]
    print_rows(("what", "name", "state", "reason", "to mend it"), rows)
    missing = sum(not check.ok for check in found.checks)
    print_line("everything is here" if not missing else f"{missing} missing; the rest works without")


def examine() -> Checkup:
    """Look at the machine, the backends, the extras and the compiler. Imports torch and the backends."""
    import torch

    return Checkup(
        machine=fingerprint(accelerator=torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""),
        threads=torch.get_num_threads(),
        checks=(*backends(), *extras(), *tools()),
        parts={name: door.names() for name, door in DOORS.items()},
    )


def backends() -> tuple[Check, ...]:
    """Whether each registered backend can run here, in its own words."""
    return tuple(_backend(name) for name in BACKENDS.names())


def _backend(name: str) -> Check:
    try:
        found = BACKENDS.get(name).available()
    except (BurnishError, ImportError) as error:
        fix = error.help if isinstance(error, BurnishError) else ""
        return Check(kind="backend", name=name, ok=False, reason=str(error).splitlines()[0], help=fix)
    return Check(kind="backend", name=name, ok=found.ok, reason=found.reason, help=found.help)


def extras() -> tuple[Check, ...]:
    """Whether each optional group of packages is installed whole."""
    groups: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("burnish") or ():
        match = _EXTRA.match(line)
        if match:
            groups.setdefault(match.group(2), []).append(match.group(1))
    return tuple(_extra(name, tuple(packages)) for name, packages in sorted(groups.items()))


def _extra(name: str, packages: tuple[str, ...]) -> Check:
    absent = [package for package in packages if not versions((package,))]
    return Check(
        kind="extra",
        name=name,
        ok=not absent,
        reason=f"not installed: {', '.join(absent)}" if absent else ", ".join(packages),
        help=f"pip install 'burnish[{name}]'" if absent else "",
    )


def tools() -> tuple[Check, ...]:
    """The compiler that quantization-aware training needs: NNCF builds a small C++ extension."""
    return tuple(
        Check(
            kind="compiler",
            name=name,
            ok=shutil.which(name) is not None,
            reason=(shutil.which(name) and "found") or "quantization-aware training builds a small extension with it",
            help="" if shutil.which(name) else command,
        )
        for name, command in _TOOLS
    )


def _machine_rows(found: Checkup) -> list[tuple[str, str]]:
    machine: Any = found.machine
    rows = [
        ("processor", f"{machine.processor}, {machine.cores} cores usable, torch uses {found.threads} threads"),
        ("instructions", " ".join(machine.isa) or "none of those that matter here"),
        ("memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
        ("accelerator", machine.accelerator or "none"),
        ("system", machine.system),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
    ]
    return [*rows, *((name, ", ".join(parts) or "none yet") for name, parts in found.parts.items())]
