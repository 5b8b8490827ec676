"""What `burnish train` refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from burnish.cli.main import app
from burnish.core import ray_cluster
from burnish.train import strategy


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["train", "digits", *arguments])
    assert result.exit_code == 1
    return result.stderr


def test_ray_that_is_not_there_is_one_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    text = refused("--devices", "2", "--on", "ray")
    assert text == "error: Ray is not installed\nhelp: pip install 'burnish[ray]'\n"


def test_an_unknown_engine_is_named() -> None:
    assert "did you mean 'ray'?" in refused("--devices", "2", "--on", "rya")


@pytest.mark.parametrize("ranks", ["1", "2"])
def test_a_strategy_whose_package_is_not_there_is_one_error(ranks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "find_spec", lambda name: None)
    text = refused("--devices", ranks, "--strategy", "deepspeed")
    assert "needs the package deepspeed\nhelp: pip install 'burnish[deepspeed]'" in text


def test_a_strategy_that_divides_needs_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))  # where nothing is trained already
    text = refused("--strategy", "zero2", "--set", "fit.epochs=1")
    assert text.startswith("error: the strategy zero2 needs ranks (strategy)")
