import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from burnish.core.errors import BadData, MissingData
from burnish.data.tables.read import read_images, read_table


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


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "jsonl"])
def test_tables_of_every_kind(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"text": ["good", "bad"], "label": [1, 0], "score": [0.5, 1.5]}), path)
    elif suffix == "jsonl":
        path.write_text('{"text": "good", "label": 1, "score": 0.5}\n{"text": "bad", "label": 0, "score": 1.5}\n')
    else:
        lines = ["text,label,score", "good,1,0.5", "bad,0,1.5"]
        path.write_text("\n".join(lines).replace(",", "\t" if suffix == "tsv" else ","))
    table = read_table(path)
    assert table["text"].tolist() == ["good", "bad"]
    assert table["label"].dtype == np.int64 and table["score"].dtype == np.float64
    assert set(read_table(path, ("label",))) == {"label"}


def test_categories_become_texts(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert read_table(path)["text"].tolist() == ["a", "b", "a"]


def test_faults_of_tables_are_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\nx,1\ny,\n")
    with pytest.raises(BadData, match=r"empty cell .*column 'label', row 1"):
        read_table(path)
    with pytest.raises(BadData, match=r"no column 'labels'"):
        read_table(path, ("labels",))
    path.write_text("a,b\n1\n")
    with pytest.raises(BadData, match="cannot be read"):
        read_table(path)
    other = tmp_path / "t.xlsx"
    other.touch()
    with pytest.raises(BadData, match="no known kind"):
        read_table(other)
    lists = tmp_path / "l.parquet"
    pq.write_table(pa.table({"x": [[1], [2]]}), lists)
    with pytest.raises(BadData, match="cannot be used"):
        read_table(lists)
