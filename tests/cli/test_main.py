import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from burnish.cli import listing
from burnish.cli.main import app
from burnish.core.doors import DOORS

HEAVY = {"torch", "numpy", "onnxruntime", "openvino", "nncf", "transformers", "sklearn", "matplotlib"}


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "backends"], ["--version"]])
def test_help_and_list_import_nothing_heavy(arguments: list[str]):
    code = (
        "import sys, json\nfrom burnish.cli.main import main\n"
        f"sys.argv = ['burnish', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(done.stderr))
    assert done.stdout.strip()


def test_version_is_the_installed_one():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"burnish {version('burnish')}\n")


def test_help_of_every_command_shows_examples():
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0
        assert f"\n    burnish {name}" in result.stdout


def test_a_burnish_error_is_one_message_with_a_fix_and_exit_code_1():
    result = CliRunner().invoke(app, ["list", "backend"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: unknown list 'backend'\nhelp: did you mean 'backends'?\n"


def test_wrong_usage_is_exit_code_2():
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(app, ["explain"]).exit_code == 2


def test_interrupting_is_one_friendly_line_and_exit_code_130(monkeypatch: pytest.MonkeyPatch):
    def stop(kind: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "show_list", stop)
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 130
    assert result.stderr == "interrupted: run the same command again to resume\n"


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    def fail(kind: str | None) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(listing, "show_list", fail)
    assert isinstance(CliRunner().invoke(app, ["list"]).exception, ZeroDivisionError)


def test_list_shows_every_name_of_every_door():
    result = CliRunner().invoke(app, ["list"])
    for kind, door in DOORS.items():
        assert kind in result.stdout
        assert all(name in result.stdout for name in door.names())
