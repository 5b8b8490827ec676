"""The cost table: how many programs are alive at once, and what its numbers are relative to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.pipeline import workbench
from burnish.pipeline.choice import Choice
from burnish.pipeline.recipe import Compile
from burnish.pipeline.workbench import Workbench
from tests import tiny
from tests.pipeline.fake import profile


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_costs_of_several_groups_are_relative_to_the_whole_model(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is twice as slow in every second group; the whole model is in each."""
    bench = Workbench(
        workload=tiny.workload(), choice=Choice(compile=Compile()), served=(Served(batch=1),), threads=1,
        folder=tmp_path, progress=Silent(), examples={},
    )  # fmt: skip
    groups: list[list[int]] = []

    def time(built: Sequence[Any], shapes: Sequence[Served], *, labels: Sequence[str], **named: Any) -> Any:
        slow = 1.0 + len(groups) % 2
        groups.append([item.number for item in built])
        assert len(set(labels)) == len(built)
        made = [profile(label, slow * (10 - item.number)) for label, item in zip(labels, built, strict=True)]
        return {served.label: made for served in shapes}

    def build(number: int, *rest: Any) -> Any:
        return SimpleNamespace(number=number, size_bytes=10, backend=None, options={})

    monkeypatch.setattr(bench, "time", time)
    monkeypatch.setattr(bench, "build", build)
    monkeypatch.setattr(bench, "on_target", lambda number: [build(number)])
    monkeypatch.setattr(workbench, "at_once", lambda size, available: 3)
    found = bench.cost(list(range(count)))
    assert found == pytest.approx([found[0] * (10 - number) / 10 for number in range(count)])
    assert all(group[0] == 0 and len(group) <= 3 for group in groups)
    assert sorted({number for group in groups for number in group}) == list(range(count))
