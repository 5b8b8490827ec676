"""A model no one tuned for: every case of the matrix through `burnish.optimize` with default settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.matrix.cases import CASES, Case
from tests.matrix.checks import run_case


def _parameter(case: Case) -> object:
    missing = case.name.startswith("timm") and importlib.util.find_spec("timm") is None
    return pytest.param(case, id=case.name, marks=pytest.mark.skipif(missing, reason="timm is not installed"))


@pytest.mark.slow
@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_a_model_no_one_tuned_for_comes_back_faster_or_as_it_was(case: Case, out: Path) -> None:
    assert run_case(case, out).faults == ()
