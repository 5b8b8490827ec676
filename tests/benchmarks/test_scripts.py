from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_starts(script: Path) -> None:
    found = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "--results" in found.stdout
