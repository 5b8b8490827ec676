"""What a benchmark leaves behind: a table, a JSON file without paths, and one last line."""

from __future__ import annotations

import datetime
import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _lib.bars import Bar
from _lib.candidate import Candidate
from burnish.core.machine import Machine, fingerprint
from burnish.pipeline.account import commit

RESULTS = Path(__file__).parents[1] / "results"
_PATH = re.compile(r"(?<![\w.:/-])/(?:[\w.+@-]+/)+([\w.+@-]*)")


def last_line(bars: Sequence[Bar], machine: Machine, command: str) -> str:
    """The one JSON line that every benchmark of the project ends with."""
    data = {
        "bars": [bar.to_dict() for bar in bars],
        "machine": machine.label,
        "versions": machine.versions,
        "command": command,
        "commit": commit(),
    }
    return json.dumps(without_paths(data))


def write(name: str, machine: Machine, line: str, more: dict[str, Any], folder: Path = RESULTS) -> Path:
    """`<name>_<machine>_<date>.json`: the last line's fields and everything else that was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = folder / f"{name}_{machine_name(machine)}_{date}.json"
    head = json.loads(line)
    text = json.dumps(head | {"fingerprint": machine.model_dump(mode="json")} | without_paths(more), indent=1)
    path.write_text(text + "\n")
    return path


def machine_name(machine: Machine) -> str:
    """The processor and its cores as part of a file name."""
    words = re.sub(r"\(r\)|\(tm\)|processor|cpu", " ", machine.processor, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", f"{words} {machine.cores} cores".lower()).strip("-")


def without_paths(data: Any) -> Any:
    """The same data; of absolute paths in its texts only the last part is left."""
    if isinstance(data, str):
        return _PATH.sub(lambda match: match.group(1) or "...", data)
    if isinstance(data, dict):
        return {key: without_paths(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_paths(value) for value in data]
    return data


def report(name: str, bars: Sequence[Bar], more: dict[str, Any], folder: Path, machine: Machine | None = None) -> int:
    """Write the result file of `benchmarks/NAME.py`, print its bars and the last line; the exit status."""
    machine = machine or fingerprint()
    line = last_line(bars, machine, shlex.join([f"benchmarks/{name}.py", *sys.argv[1:]]))
    path = write(name, machine, line, more, folder)
    print(bar_lines(bars))
    print(f"\nwritten: {path.name}")
    print(line, flush=True)
    return 0 if all(bar.holds for bar in bars) else 1


def table(candidates: Sequence[Candidate], shapes: Sequence[str]) -> str:
    """One row per candidate: latencies, accuracy, difference, size."""
    titles = ["candidate", *[f"p50 ms, {shape}" for shape in shapes], "validation", "test", "difference", "MB"]
    rows = [titles, *[_cells(item, shapes) for item in candidates]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    failed = [f"{item.label}: {without_paths(item.error)}" for item in candidates if item.error]
    return "\n".join([*lines, *_others(candidates, shapes), *(["", "without numbers:", *failed] if failed else [])])


def _others(candidates: Sequence[Candidate], shapes: Sequence[str]) -> list[str]:
    """How many cores other programs took while each shape was timed."""
    found = {shape: [i.latency[shape].other_cores for i in candidates if shape in i.latency] for shape in shapes}
    lines = [f"cores that other programs took, {shape}: {max(cores):.2f}" for shape, cores in found.items() if cores]
    return ["", *lines] if lines else []


def bar_lines(bars: Sequence[Bar]) -> str:
    """One line per bar, for people."""
    lines = []
    for bar in bars:
        value = "not measured" if bar.value is None else f"{bar.value:.4g} {bar.unit}"
        spread = "" if bar.low is None or bar.high is None else f" [{bar.low:.4g}, {bar.high:.4g}]"
        told = bar.to_dict()
        lines.append(
            f"{'holds ' if bar.holds else 'BROKEN'}  {bar.name}: {value}{spread}, bar {told['bar']} {bar.note}"
        )
    return "\n".join(lines)


def _cells(item: Candidate, shapes: Sequence[str]) -> list[str]:
    times = []
    for shape in shapes:
        profile = item.latency.get(shape)
        p50 = None if profile is None else profile.p50
        times.append("-" if p50 is None else f"{p50.value:.3f} [{p50.low:.3f}, {p50.high:.3f}]")
    validation = "-" if item.validation is None else f"{item.validation:.4f}"
    test = "-" if item.test is None else f"{item.test.value:.4f}"
    delta = item.test_delta
    change = "-" if delta is None else f"{100 * delta.value:+.2f} [{100 * delta.low:+.2f}, {100 * delta.high:+.2f}] pt"
    return [item.label, *times, validation, test, change, f"{item.size_bytes / 1e6:.2f}"]
