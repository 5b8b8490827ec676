import sys
from pathlib import Path

import pytest

import burnish.cli.optimize as command
from burnish.cli import demo
from burnish.core.errors import BadData, BurnishError, MissingData


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, list[str]]]:
    """What `burnish optimize` was asked for, and the command line of that moment."""
    found: list[tuple[str, Path, list[str]]] = []
    monkeypatch.setattr(sys, "argv", ["demo"])
    monkeypatch.setattr(command, "optimize", lambda target, *, out, **_: found.append((target, out, sys.argv)))
    return found


@pytest.mark.parametrize(
    ("error", "recipe"),
    [(None, "fashion-mnist"), (MissingData("not here"), "digits"), (BadData("broken"), "fashion-mnist")],
)
def test_the_demo_is_the_command_that_its_report_shows(ran, monkeypatch, error, recipe) -> None:
    def get(name: str) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(demo, "get", get)
    assert demo.main() == 0
    assert ran == [(recipe, Path("demo-output"), ["burnish", "optimize", recipe, "--out", "demo-output"])]


def test_a_demo_that_fails_says_why(ran, monkeypatch, capsys) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BurnishError("no room on the disk", help="make some")

    monkeypatch.setattr(demo, "get", lambda name: None)
    monkeypatch.setattr(command, "optimize", broken)
    assert demo.main() == 1
    told = "".join(capsys.readouterr())
    assert "no room on the disk" in told
    assert "next:" not in told
