import pytest

from burnish.core.errors import MissingData
from burnish.data.locate import cache_folder, locate, package_folder


def find(**more):
    return locate("the photos", needs=("train.bin",), variable="PHOTOS", help="fetch photos", **more)


def test_given_path_before_variable_before_known_places(tmp_path, monkeypatch):
    for name in ("given", "told", "known"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.bin").touch()
    places = [tmp_path / "nowhere", tmp_path / "known"]
    assert find(places=places) == tmp_path / "known"
    monkeypatch.setenv("PHOTOS", str(tmp_path / "told"))
    assert find(places=places) == tmp_path / "told"
    assert find(places=places, given=str(tmp_path / "given")) == tmp_path / "given"


def test_a_wrong_path_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "train.bin").touch()
    with pytest.raises(MissingData, match=r"missing: train\.bin"):
        find(given=tmp_path, places=[tmp_path / "known"])
    monkeypatch.setenv("PHOTOS", str(tmp_path / "gone"))
    with pytest.raises(MissingData, match="from PHOTOS"):
        find(places=[tmp_path / "known"])


def test_missing_data_prints_the_command(tmp_path):
    with pytest.raises(MissingData) as caught:
        find(places=[tmp_path / "nowhere"])
    assert "help: fetch photos" in str(caught.value)
    assert "PHOTOS" in str(caught.value)


def test_cache_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("BURNISH_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "burnish")


def test_package_folder_imports_nothing():
    folder = package_folder("burnish")
    assert folder is not None and (folder / "core").is_dir()
    assert package_folder("no_such_package_here") is None
