import gzip
import importlib.util

import numpy as np
import pytest

from burnish.core.errors import MissingData
from burnish.data import fashion_mnist
from burnish.data.fashion_mnist import load_fashion_mnist


def write(folder):
    folder.mkdir(parents=True)
    for name, rows in (("train", 6), ("t10k", 2)):
        for kind, shape in (("images-idx3", (rows, 28, 28)), ("labels-idx1", (rows,))):
            head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
            raw = gzip.compress(head + np.zeros(shape, np.uint8).tobytes())
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(raw)


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BURNISH_FASHION_MNIST", raising=False)
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path / "no-debian")
    return tmp_path


def test_reads_a_given_folder(nothing):
    write(nothing / "here")
    (images, labels), (test_images, test_labels) = load_fashion_mnist(nothing / "here")
    assert images.shape == (6, 28, 28) and labels.shape == (6,)
    assert len(test_images) == len(test_labels) == 2


def test_a_wrong_folder_is_not_passed_over(nothing, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "_download", lambda *_: pytest.fail("went to the internet"))
    with pytest.raises(MissingData, match="apt-get install dataset-fashion-mnist"):
        load_fashion_mnist(nothing)
    monkeypatch.setenv("BURNISH_FASHION_MNIST", str(nothing))
    with pytest.raises(MissingData, match="BURNISH_FASHION_MNIST"):
        load_fashion_mnist()


def test_without_torchvision_the_commands_are_printed(nothing, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingData, match="pip install torchvision"):
        load_fashion_mnist()


def test_torchvision_fetches_into_the_cache(nothing, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")

    def fetch(root, download):
        assert download
        write(nothing / "cache" / "FashionMNIST" / "raw")
        assert str(nothing / "cache") == root

    monkeypatch.setattr(datasets, "FashionMNIST", fetch)
    assert len(load_fashion_mnist()[0][0]) == 6
    monkeypatch.setattr(datasets, "FashionMNIST", lambda *_, **__: pytest.fail("fetched twice"))
    assert len(load_fashion_mnist()[0][0]) == 6


def test_without_internet_the_reason_is_said(nothing, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")

    def fetch(root, download):
        raise RuntimeError("no route to host")

    monkeypatch.setattr(datasets, "FashionMNIST", fetch)
    with pytest.raises(MissingData, match="no route to host"):
        load_fashion_mnist()
