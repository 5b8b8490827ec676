"""Tables of every kind to Parquet and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from burnish.core.errors import BadData, MissingData, OutputError, RecipeError
from burnish.core.progress import Silent
from burnish.data.tables import codecs, convert, sources
from burnish.data.tables.codecs import CODECS, Tried
from burnish.data.tables.convert import Converted
from burnish.data.tables.inspect import inspect
from burnish.data.tables.read import read_images

ROWS = [
    {"age": 30 + i % 40, "share": i / 7, "town": ["Bern", "Zürich", "Genève"][i % 3], "paid": i % 2 == 0}
    for i in range(500)
]


def lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def to_parquet(source: Path, codec: str = "auto") -> Converted:
    return convert.convert(source, source.parent / "out.parquet", codec=codec, progress=Silent())


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv"])
def test_text_becomes_typed_columns(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"rows{suffix}"
    if suffix == ".jsonl":
        lines(source, ROWS)
    else:
        with source.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]), delimiter="\t" if suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(ROWS)
    found = to_parquet(source)
    table = pq.read_table(tmp_path / "out.parquet")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    assert columns["age"].dtype == np.int64
    assert columns["paid"].dtype == np.bool_
    assert np.allclose(columns["share"], [row["share"] for row in ROWS])
    assert columns["town"].tolist() == [row["town"] for row in ROWS]
    assert (found.rows, found.columns) == (500, ("age", "share", "town", "paid"))
    assert found.size_bytes == (tmp_path / "out.parquet").stat().st_size
    assert {row.codec for row in found.tried} == set(CODECS)
    assert found.codec == codecs.choose(found.tried)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "n": st.integers(-(2**63), 2**63 - 1),
                "x": st.floats(allow_nan=False, allow_infinity=False),
                "s": st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
                "l": st.lists(st.integers(0, 9), max_size=3),
            }
        ),
        min_size=1,
        max_size=30,
    )
)
def test_nothing_is_lost_on_the_way(tmp_path_factory: pytest.TempPathFactory, rows: list[dict]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines(folder / "rows.jsonl", [{**rows[0], "s": "a text", "l": [1], "x": 0.5}, *rows])
    to_parquet(folder / "rows.jsonl", codec="zstd-1")
    back = pq.read_table(folder / "out.parquet").to_pylist()[1:]
    assert back == rows


def test_a_stream_in_many_blocks_is_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = lines(tmp_path / "rows.jsonl", ROWS)
    to_parquet(source)
    whole = pq.read_table(tmp_path / "out.parquet")
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 2000)
    monkeypatch.setattr(convert, "_GROUP_ROWS", 70)
    monkeypatch.setattr(convert, "_SAMPLE_BYTES", 3000)
    to_parquet(source)
    assert pq.read_table(tmp_path / "out.parquet").equals(whole)
    groups = pq.ParquetFile(tmp_path / "out.parquet").metadata
    assert groups.num_row_groups >= 8
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) <= 70


def test_arrays_keep_their_shapes(tmp_path: Path) -> None:
    volume = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)
    np.savez(tmp_path / "rows.npz", volume=volume, label=np.arange(5))
    to_parquet(tmp_path / "rows.npz")
    table = pq.read_table(tmp_path / "out.parquet")
    assert np.array_equal(np.array(table["volume"].to_pylist(), np.float32).reshape(5, 2, 3), volume)
    assert inspect(tmp_path / "out.parquet").columns[0].type.endswith("shape 2,3")


def test_a_folder_of_images_is_what_workloads_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(("cat", "dog", "dog")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number * 40, 0, 0)).save(folder / f"{number}.png")
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    found = convert.convert(tmp_path / "photos", tmp_path / "p.parquet", progress=Silent())
    images = read_images(tmp_path / "p.parquet")
    assert found.rows == 3
    assert images.labels.tolist() == [0, 1, 1]
    assert images.classes == ("cat", "dog")
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 40, 80]
    assert inspect(tmp_path / "p.parquet").classes == ("cat", "dog")


def test_inspect_tells_ranges_and_empty_cells(tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", [*ROWS, {"age": None, "share": 0.5, "town": "Chur", "paid": True}])
    to_parquet(source, codec="snappy")
    found = inspect(tmp_path / "out.parquet")
    age, share, town, paid = found.columns
    assert (age.type, age.nulls, age.low, age.high) == ("int64", 1, "30", "69")
    assert (town.low, town.high, town.nulls) == ("Bern", "Zürich", 0)
    assert (share.type, paid.type, paid.codec) == ("double", "bool", "snappy")
    assert sum(column.size_bytes for column in found.columns) <= found.size_bytes
    assert (found.rows, found.source) == (501, "rows.jsonl")
    assert len(found.source_sha256) == 64


def test_parquet_again_keeps_the_classes(tmp_path: Path) -> None:
    first = lines(tmp_path / "rows.jsonl", ROWS)
    to_parquet(first)
    (tmp_path / "out.parquet").rename(tmp_path / "in.parquet")
    to_parquet(tmp_path / "in.parquet", codec="none")
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "in.parquet"))
    assert inspect(tmp_path / "out.parquet").source == "in.parquet"


def test_the_smallest_of_the_fast_ones_is_chosen() -> None:
    rows = [("none", 100, 10.0), ("lz4", 70, 8.0), ("zstd-1", 50, 7.9), ("zstd-9", 40, 2.0)]
    tried = [Tried(codec=codec, size_bytes=size, rows_per_s=speed) for codec, size, speed in rows]
    assert codecs.choose(tried) == "lz4"
    assert codecs.choose(tried[:1]) == "none"


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("rows.jsonl", '{"a": 1}\n{"a": \n', "cannot be read"),
        ("rows.jsonl", "", "cannot be read|no rows"),
        ("rows.csv", "a,b\n1,2\n3\n", "cannot be read"),
        ("rows.csv", "a,b\n", "no rows"),
        ("rows.parquet", "PAR1 and nothing more", "cannot be read"),
        ("rows.npz", "PK and nothing more", r"no \.npz file"),
        ("rows.xlsx", "x", "no known kind of table"),
    ],
)
def test_what_cannot_be_read_leaves_nothing(tmp_path: Path, name: str, text: str, what: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadData, match=what) as caught:
        to_parquet(tmp_path / name)
    assert name in caught.value.where
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_type_that_changes_late_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 2000)
    monkeypatch.setattr(convert, "_SAMPLE_BYTES", 1)
    source = lines(tmp_path / "rows.jsonl", [*ROWS, {"age": "old", "share": 0.0, "town": "Bern", "paid": True}])
    with pytest.raises(BadData, match="cannot be read") as caught:
        to_parquet(source)
    assert "same types" in caught.value.help
    assert not (tmp_path / "out.parquet").exists()


def test_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no such file"):
        to_parquet(tmp_path / "rows.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no images"):
        to_parquet(tmp_path / "empty")
    np.savez(tmp_path / "uneven.npz", a=np.arange(3), b=np.arange(4))
    with pytest.raises(BadData, match="same number of rows"):
        to_parquet(tmp_path / "uneven.npz")
    source = lines(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(RecipeError, match="unknown codec 'zstd-2'"):
        to_parquet(source, codec="zstd-2")
    with pytest.raises(BadData, match="not a Parquet file") as caught:
        inspect(source)
    assert "burnish data convert" in caught.value.help


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = lines(tmp_path / "rows.jsonl", ROWS)
    to_parquet(source)
    before = (tmp_path / "out.parquet").read_bytes()

    def full(*args: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    with pytest.raises(OutputError, match="disk is full"):
        to_parquet(source)
    assert (tmp_path / "out.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "rows.jsonl"]
