from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import burnish
from burnish.artifact import load as loading
from burnish.artifact.save import save
from burnish.backends.backend import Availability
from burnish.core.errors import ArtifactError, BadRequest, MissingExtra, OutputError
from burnish.core.files import sha256
from burnish.model.replay import replay
from burnish.model.variant import predict
from burnish.model.weights import load_state
from burnish.pipeline.recipe import Compile
from burnish.testing import TinyImages, image_inputs
from tests.pipeline.fake import FIT, PRUNE, a_run, by_size, fake_times


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BURNISH_CACHE", str(tmp_path_factory.mktemp("cache")))
        fake_times(patch, lambda built: by_size(built) * (0.1 if built.backend.name == "openvino" else 1.0))
        recipe = Compile(backends=("eager", "openvino"), target="openvino", tolerance=0.05)
        out = tmp_path_factory.mktemp("run")
        return a_run(out, FIT, PRUNE, compile=recipe, budget="accuracy>=-30pt").execute().artifact


@pytest.fixture
def artifact(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "artifact"))


def image(batch: int = 2) -> np.ndarray[Any, Any]:
    return image_inputs(batch)["image"].numpy()


def edit(artifact: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, and its hash beside it."""
    path = artifact / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    (artifact / "manifest.sha256").write_text(sha256(path) + "\n")


def test_an_artifact_is_called_with_arrays_by_place_or_name(artifact: Path) -> None:
    with burnish.load(artifact) as model:
        one = model(image(3))
        two = model(image=image(3))
        assert isinstance(one, np.ndarray) and one.shape == (3, 5) and one.dtype == np.float32
        np.testing.assert_array_equal(one, two)
        assert model.run({"image": image(1)})["scores"].shape == (1, 5)


def test_it_can_be_verified_and_copied(artifact: Path) -> None:
    assert burnish.verify(artifact)["scores"] < 1e-3


def test_records_and_weights_rebuild_the_model_that_was_compiled(artifact: Path) -> None:
    manifest = loading.read_manifest(artifact)
    assert [record.kind for record in manifest.records] == ["resize"]
    variant = replay(TinyImages(), manifest.records)
    load_state(variant.module, artifact / "weights.safetensors")
    with burnish.load(artifact) as model:
        found = model(image(4))
    wanted = predict(variant.module, image_inputs(4))[0].numpy()
    assert isinstance(found, np.ndarray)
    assert np.abs(found - wanted).max() < 0.05 * wanted.std()


def test_the_manifest_names_every_file(artifact: Path) -> None:
    manifest = loading.read_manifest(artifact)
    files = {path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()}
    assert files == {*manifest.files, "manifest.json", "manifest.sha256"}
    assert manifest.machine.cores and manifest.lineage and manifest.preprocessing == ""
    assert manifest.evidence["test"]["value"] > 0.5


def test_a_changed_byte_in_any_file_is_noticed_and_the_file_is_named(artifact: Path) -> None:
    for path in sorted(path for path in artifact.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in {0, len(whole) // 2, len(whole) - 1}:
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(bytes(changed))
            for check in (burnish.load, burnish.verify):
                with pytest.raises(ArtifactError) as caught:
                    check(artifact)
                shown = "manifest" if path.name.startswith("manifest") else str(path)
                assert shown in caught.value.where and caught.value.help
        path.write_bytes(whole)
    burnish.verify(artifact)


@pytest.mark.parametrize("name", ["weights.safetensors", "program/model.bin", "ledger.json", "manifest.sha256"])
def test_a_missing_file_is_named(artifact: Path, name: str) -> None:
    (artifact / name).unlink()
    with pytest.raises(ArtifactError, match="missing") as caught:
        burnish.load(artifact)
    assert caught.value.where == str(artifact / name)


def test_a_folder_that_is_no_artifact(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ArtifactError, match=r"not an artifact: no manifest\.json") as caught:
            burnish.load(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "program/../../secret"])
def test_a_manifest_that_reaches_outside_is_refused(artifact: Path, name: str) -> None:
    secret = artifact.parent / "secret"
    secret.write_text("x")
    edit(artifact, lambda data: data["files"].update({name: sha256(secret)}))
    with pytest.raises(ArtifactError, match="outside the artifact") as caught:
        burnish.load(artifact)
    assert caught.value.where == name


def test_a_link_that_leads_outside_is_refused(artifact: Path) -> None:
    secret = artifact.parent / "secret"
    shutil.copy(artifact / "ledger.json", secret)
    (artifact / "ledger.json").unlink()
    (artifact / "ledger.json").symlink_to(secret)
    with pytest.raises(ArtifactError, match="outside the artifact"):
        burnish.load(artifact)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 99}, "expected Manifest version 1, found Manifest version 99"),
        ({"noun": "Recipe"}, "expected Manifest version 1, found Recipe version 1"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"threads": "many"}, "threads: Input should be a valid integer"),
    ],
)
def test_another_version_or_form_is_refused(artifact: Path, change: dict[str, Any], why: str) -> None:
    edit(artifact, lambda data: data.update(change))
    with pytest.raises(ArtifactError, match="the manifest cannot be read") as caught:
        burnish.load(artifact)
    assert why in caught.value.why and caught.value.where.endswith("manifest.json")


def test_a_backend_that_is_not_here_says_how_to_get_it(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Availability(ok=False, reason="not installed: openvino", help="pip install openvino")
    monkeypatch.setattr("burnish.backends.kinds.openvino.find_package", lambda name: missing)
    with pytest.raises(MissingExtra, match="this artifact needs openvino") as caught:
        burnish.load(artifact)
    assert caught.value.help == "pip install openvino"


def test_another_answer_than_the_stored_one_is_noticed(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = loading.load_arrays(artifact / "example.safetensors")
    stored["out.scores"] = stored["out.scores"] + 1.0
    monkeypatch.setattr(loading, "load_arrays", lambda path: stored)
    with pytest.raises(ArtifactError, match="output 'scores' differs by 1 from the stored one") as caught:
        burnish.verify(artifact)
    assert caught.value.help


@pytest.mark.parametrize(
    ("call", "what", "help"),
    [
        (lambda model: model(image().astype(np.float64)), "float64, expected float32", ".astype('float32')"),
        (lambda model: model(image()[0]), "has the shape (3, 12, 12), expected (batch, 3, 12, 12)", "batch"),
        (lambda model: model(image()[:, :, :11]), "has the shape (2, 3, 11, 12), expected (batch, 3, 12, 12)", ""),
        (lambda model: model(image()[:0]), "has the shape (0, 3, 12, 12)", ""),
        (lambda model: model(), "input 'image' is missing", "give (batch, 3, 12, 12) of float32"),
        (lambda model: model(imag=image()), "unknown input 'imag'", "did you mean 'image'?"),
        (lambda model: model(image(), image()), "2 arrays for 1 inputs", "give image"),
        (lambda model: model(image().tolist()), "input 'image' is a list", "NumPy"),
        (lambda model: model(torch.zeros(1, 3, 12, 12)), "input 'image' is a Tensor", "NumPy"),
    ],
)
def test_inputs_that_do_not_fit_are_a_bad_request(
    artifact: Path, call: Callable[[Any], Any], what: str, help: str
) -> None:
    with burnish.load(artifact) as model:
        with pytest.raises(BadRequest) as caught:
            call(model)
        assert what in caught.value.what and help in caught.value.help
        assert model(image(1)).shape == (1, 5)


def test_nothing_is_left_when_saving_fails(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    manifest = loading.read_manifest(made)
    given = {
        "draft": manifest,
        "variant": replay(TinyImages(), manifest.records),
        "program": made / "program",
        "example": {"in.image": torch.zeros(1)},
        "extras": {"a.txt": b"1"},
    }
    for step in ("shutil.copytree", "save_state", "save_tensors", "write_bytes", "write_text"):
        with monkeypatch.context() as patch:
            patch.setattr(f"burnish.artifact.save.{step}", full)
            with pytest.raises(OutputError, match="the disk is full"):
                save(tmp_path / "new", **given)
        assert list(tmp_path.iterdir()) == []
    saved = save(tmp_path / "new", **given)
    assert loading.read_manifest(tmp_path / "new") == saved
