import json

import pytest

from burnish.cli import doctor
from burnish.core.doors import BACKENDS, DOORS
from burnish.core.errors import MissingExtra


def test_json_is_one_document_with_machine_and_every_part(capsys: pytest.CaptureFixture[str]):
    doctor.show_doctor(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["cores"] >= 1
    assert found["threads"] >= 1
    assert set(found["parts"]) == set(DOORS)
    names = {(check["kind"], check["name"]) for check in found["checks"]}
    assert {("backend", name) for name in BACKENDS.names()} <= names
    assert {("extra", "text"), ("extra", "vision"), ("compiler", "g++"), ("compiler", "ninja")} <= names
    assert doctor.Checkup.from_json(json.dumps(found)).checks


def test_a_missing_extra_comes_with_its_command(monkeypatch: pytest.MonkeyPatch):
    lines = ["torch>=2.11", "no-such-package-a>=1; extra == 'text'", 'pytest>=8; extra == "dev"']
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: lines)
    dev, text = doctor.extras()
    assert (dev.name, dev.ok, dev.help) == ("dev", True, "")
    assert (text.ok, text.reason, text.help) == (
        False,
        "not installed: no-such-package-a",
        "pip install 'burnish[text]'",
    )


def test_a_missing_compiler_says_what_it_is_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    compiler, ninja = doctor.tools()
    assert not compiler.ok
    assert "quantization-aware" in compiler.reason
    assert ninja.help == "pip install ninja"


@pytest.mark.parametrize(
    ("error", "help"),
    [(MissingExtra("no runtime", help="pip install runtime"), "pip install runtime"), (ImportError("broken"), "")],
)
def test_a_backend_that_cannot_be_loaded_is_a_row_not_a_crash(monkeypatch: pytest.MonkeyPatch, error, help: str):
    class Door:
        def names(self) -> tuple[str, ...]:
            return ("broken",)

        def get(self, name: str) -> object:
            raise error

    monkeypatch.setattr(doctor, "BACKENDS", Door())
    (check,) = doctor.backends()
    assert (check.ok, check.help) == (False, help)
    assert check.reason in str(error)


def test_tables_name_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    doctor.show_doctor(as_json=False)
    shown = capsys.readouterr().out
    assert "apt-get install g++" in shown
    assert "missing; the rest works without" in shown
