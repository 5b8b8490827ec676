from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from _lib.bars import Bar
from _lib.candidate import Candidate
from _lib.results import last_line, machine_name, table, without_paths, write

from burnish.core.machine import Machine, fingerprint
from tests.benchmarks.test_bars import profile


def machine(processor: str) -> Machine:
    return Machine(processor=processor, cores=2, memory_bytes=2**30, isa=(), system="Linux", versions={})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cannot read /home/me/deep/model.onnx here", "cannot read model.onnx here"),
        ("'/a/b/c.py', line 3", "'c.py', line 3"),
        ("https://example.org/a/b stays", "https://example.org/a/b stays"),
        ("a/b and 3 / 4 and images/s stay", "a/b and 3 / 4 and images/s stay"),
    ],
)
def test_absolute_paths_are_cut_to_their_last_part(text: str, wanted: str) -> None:
    assert without_paths({"x": [text]}) == {"x": [wanted]}


def test_a_machine_name_fits_into_a_file_name() -> None:
    assert machine_name(machine("Intel(R) Xeon(R) CPU @ 2.8GHz")) == "intel-xeon-2-8ghz-2-cores"


def test_the_last_line_has_the_projects_fields() -> None:
    line = last_line([Bar(name="a", value=np.float64(1.0), unit="x", bar=1.0)], fingerprint(), "benchmarks/x.py")
    assert "\n" not in line
    assert set(json.loads(line)) == {"bars", "machine", "versions", "command", "commit"}


def test_a_result_file_holds_the_last_line_and_more(tmp_path: Path) -> None:
    line = last_line([], machine("Fast 9"), "benchmarks/x.py")
    path = write("pipeline-x", machine("Fast 9"), line, {"log": "/root/a/b.txt"}, tmp_path)
    assert path.name.startswith("pipeline-x_fast-9-2-cores_")
    data = json.loads(path.read_text())
    assert data["log"] == "b.txt"
    assert data["command"] == "benchmarks/x.py"
    assert data["fingerprint"]["cores"] == 2


def test_the_table_shows_failures_apart() -> None:
    good = Candidate(label="good", family="a", kind="peer", validation=0.5)
    bad = Candidate(label="bad", family="a", kind="peer", error="boom in /x/y/z.py")
    text = table([good, bad], ["batch 1"])
    assert "0.5000" in text
    assert text.endswith("bad: boom in z.py")


def test_the_table_says_what_other_programs_took() -> None:
    first, second = (profile(1.0).model_copy(update={"other_cores": cores}) for cores in (0.1, 0.7))
    timed = [
        Candidate(label=label, family="a", kind="peer", latency={"batch 1": found})
        for label, found in (("a", first), ("b", second))
    ]
    assert table(timed, ["batch 1", "batch 8"]).endswith("\n\ncores that other programs took, batch 1: 0.70")
