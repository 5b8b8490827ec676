from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from burnish.artifact.triton.tuning import Tuning
from burnish.artifact.triton.write import MARK, Exported, export
from burnish.core.errors import ArtifactError, OutputError
from burnish.core.files import sha256
from tests.artifact.made import tiny_images, tiny_sequences

TUNING = Tuning(8, (8,), 100)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_images(tmp_path_factory.mktemp("made") / "images")


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_images(tmp_path_factory.mktemp("made") / "eager", backend="eager")


def test_every_version_holds_its_program_with_hashes(images: Path, eager: Path, out: Path):
    found = export({"tiny": Exported({"1": images, "4": eager}, TUNING)}, out)
    assert found[0] == "burnish" and found[1].startswith("onnxruntime>=")
    assert sorted(path.name for path in (out / "tiny").iterdir()) == ["1", "4", "config.pbtxt"]
    settings = json.loads((out / "tiny" / "1" / "program.json").read_text())
    assert (settings["backend"], settings["inputs"], settings["outputs"]) == ("onnxruntime", ["image"], ["scores"])
    assert settings["files"] == {"program/model.onnx": sha256(out / "tiny" / "1" / "program" / "model.onnx")}
    assert not (out / "tiny" / "1" / "weights.safetensors").exists()
    assert (out / "tiny" / "4" / "artifact" / "manifest.json").is_file()
    assert json.loads((out / MARK).read_text())["models"]["tiny"].keys() == {"1", "4"}


def test_only_its_own_folder_is_replaced(images: Path, out: Path):
    export({"old": Exported({"1": images}, TUNING)}, out)
    export({"new": Exported({"1": images}, TUNING)}, out)
    assert not (out / "old").exists() and (out / "new").is_dir()
    (out / MARK).unlink()
    with pytest.raises(OutputError, match="not a repository that burnish exported"):
        export({"old": Exported({"1": images}, TUNING)}, out)
    assert (out / "new").is_dir()


def test_a_file_is_not_replaced_and_an_empty_folder_is_filled(images: Path, out: Path):
    out.write_text("mine")
    with pytest.raises(OutputError):
        export({"tiny": Exported({"1": images}, TUNING)}, out)
    assert out.read_text() == "mine"
    out.unlink()
    out.mkdir()
    export({"tiny": Exported({"1": images}, TUNING)}, out)
    assert (out / MARK).is_file()


def test_a_damaged_artifact_is_not_exported(images: Path, out: Path, tmp_path: Path):
    damaged = shutil.copytree(images, tmp_path / "damaged")
    (damaged / "program" / "model.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="differs"):
        export({"tiny": Exported({"1": damaged}, TUNING)}, out)
    assert not out.exists()


def test_versions_must_take_and_give_the_same(images: Path, out: Path, tmp_path: Path):
    other = tiny_sequences(tmp_path / "other")
    with pytest.raises(ArtifactError, match="versions 1 and 2 of 'tiny'"):
        export({"tiny": Exported({"1": images, "2": other}, TUNING)}, out)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", 'quo"te'])
def test_names_that_are_no_folder_names_are_refused(name: str, images: Path, out: Path):
    with pytest.raises(ArtifactError, match="cannot be the name"):
        export({name: Exported({"1": images}, TUNING)}, out)
    assert not out.exists()
