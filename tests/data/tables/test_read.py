import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from burnish.core.errors import BadData, MissingData
from burnish.data.tables.read import read_images


def write_images(path, count=5):
    blobs = []
    for row in range(count):
        stream = io.BytesIO()
        Image.fromarray(np.full((4, 4, 3), row * 10, np.uint8)).save(stream, "PNG")
        blobs.append(stream.getvalue())
    table = pa.table({"image": blobs, "label": pa.array(range(count), pa.int8())})
    pq.write_table(table.replace_schema_metadata({"classes": "a,b,c,d,e"}), path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_images_are_decoded_once(tmp_path, cache, monkeypatch):
    path = tmp_path / "train.parquet"
    write_images(path)
    first = read_images(path)
    assert first.pixels.shape == (5, 3, 4, 4) and first.pixels[3].max() == 30
    assert first.labels.dtype == np.int64 and first.labels.tolist() == [0, 1, 2, 3, 4]
    assert first.classes == ("a", "b", "c", "d", "e")
    monkeypatch.setattr("burnish.data.tables.read.decode_all", lambda *_, **__: pytest.fail("decoded twice"))
    assert np.array_equal(read_images(path).pixels, first.pixels)
    assert len(list((cache / "images").iterdir())) == 1


def test_a_changed_file_is_decoded_again(tmp_path, cache):
    path = tmp_path / "train.parquet"
    write_images(path)
    read_images(path)
    write_images(path, 3)
    assert len(read_images(path).labels) == 3


def test_missing_columns_and_files_are_named(tmp_path):
    path = tmp_path / "train.parquet"
    with pytest.raises(MissingData):
        read_images(path)
    write_images(path)
    with pytest.raises(BadData, match=r"no column 'photo'[\s\S]*columns: image, label"):
        read_images(path, image="photo")
