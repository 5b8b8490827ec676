"""What is odd about a source: read as it is meant, or told with the help that fits."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import BadData
from burnish.core.progress import Silent
from burnish.data.tables import sources
from burnish.data.tables.class_names import class_metadata, class_names
from burnish.data.tables.convert import convert
from burnish.data.tables.inspect import inspect
from burnish.data.tables.read import read_images
from burnish.data.tables.sources import open_source
from tests.data.tables.pictures import picture


def table_of(path: Path) -> pa.Table:
    source = open_source(path)
    return pa.Table.from_batches(source.batches, source.schema)


TEXTS = st.text(st.sampled_from('ab ,"\n\t'), max_size=12).map(lambda text: f"t{text}")


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=60))
def test_quoted_cells_may_hold_anything_at_any_block(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if suffix == ".tsv" else ",")
    writer.writerows([("one", "other"), *rows])
    path = tmp_path_factory.mktemp("rows") / f"rows{suffix}"
    path.write_text(text.getvalue(), newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BLOCK_BYTES", 100)
        found = table_of(path)
    assert list(zip(*(found[name].to_pylist() for name in ("one", "other")), strict=True)) == rows


def test_a_csv_of_several_blocks_with_newlines_in_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    text = "line one\nline, two " * 6
    path.write_text("text,label\n" + "".join(f'"{text}{row}",{row % 2}\n' for row in range(80_000)))
    assert path.stat().st_size > sources._BLOCK_BYTES
    assert convert(path, tmp_path / "rows.parquet", codec="none", progress=Silent()).rows == 80_000


@pytest.mark.parametrize("name", ["rows.CSV", "rows.Tsv", "rows.JSONL", "rows.PARQUET", "rows.NPZ"])
def test_the_case_of_an_ending_does_not_matter(tmp_path: Path, name: str) -> None:
    path, table = tmp_path / name, pa.table({"a": [1, 2], "b": [3, 4]})
    match path.suffix.lower():
        case ".csv":
            path.write_text("a,b\n1,3\n2,4\n")
        case ".tsv":
            path.write_text("a\tb\n1\t3\n2\t4\n")
        case ".jsonl":
            path.write_text('{"a": 1, "b": 3}\n{"a": 2, "b": 4}\n')
        case ".parquet":
            pq.write_table(table, path)
            assert inspect(path).rows == 2
        case ".npz":
            with path.open("wb") as file:
                np.savez(file, a=np.array([1, 2]), b=np.array([3, 4]))
    assert table_of(path).equals(table)


@pytest.mark.parametrize(
    ("name", "text", "help"),
    [
        ("rows.csv", b"", "the file is empty"),
        ("rows.csv", b"\n\n", "the file is empty"),
        ("rows.jsonl", b"", "the file is empty"),
        ("rows.csv", b"a,b\n1,Empty\n3\n", "same columns"),
        ("rows.jsonl", b'{"a": 1}\n{"a": "x"}\n', "same types"),
        ("rows.csv", b"a,b,a\n1,2,3\n", "a name of its own"),
        ("rows.jsonl", b'{"a": 1, "a": 2}\n', "a name of its own"),
        ("rows.json", b'[{"a": 1}, {"a": 2}]', "one object per line"),
        ("rows.csv", b"a,b\n" + b'"open,1\n' + b"x,1\n" * 5000, "close every quote"),
        ("rows.csv", b"\xe9,b\n1,2\n", "UTF-8"),
        ("rows.csv", b"a,b\n" + b"one,2\n" * 1000 + b"\xe9t\xe9,2\n", "UTF-8"),
        ("rows.parquet", b"", "fetch the file again"),
        ("rows.parquet", b"PAR1 and nothing more", "fetch the file again"),
        ("rows.npz", b"PK\x03\x04 and nothing more", "numpy.savez"),
    ],
)
def test_the_help_fits_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: bytes, help: str
) -> None:
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 2000)
    (tmp_path / name).write_bytes(text)
    with pytest.raises(BadData) as caught:
        convert(tmp_path / name, tmp_path / "out.parquet", codec="none", progress=Silent())
    assert help in caught.value.help and name in caught.value.where


def test_two_columns_of_one_name_are_named(tmp_path: Path) -> None:
    names = ["x", "a", "y", "a"]
    pq.write_table(pa.Table.from_arrays([pa.array([place]) for place in range(4)], names=names), tmp_path / "t.parquet")
    with pytest.raises(BadData, match=r"two columns have the name 'a' .*t\.parquet, columns 1 and 3"):
        open_source(tmp_path / "t.parquet")
    assert [column.low for column in inspect(tmp_path / "t.parquet").columns] == ["0", "1", "2", "3"]


@given(
    dtype=st.sampled_from([">i2", ">u4", ">i8", ">f4", ">f8", "<i4", "?", ">U3"]),
    shape=st.sampled_from([(4,), (4, 2), (4, 2, 3)]),
)
def test_arrays_of_either_byte_order_are_columns(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, shape: tuple[int, ...]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    np.savez(path, x=array)
    assert np.array(table_of(path)["x"].to_pylist()).reshape(-1).tolist() == array.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("array", "what"), [(np.arange(3) * 1j, "type complex128"), (np.zeros((3, 0)), r"its shape is \(3, 0\)")]
)
def test_arrays_that_are_no_columns_are_named(tmp_path: Path, array: np.ndarray, what: str) -> None:
    np.savez(tmp_path / "rows.npz", good=np.arange(3), bad=array)
    with pytest.raises(BadData, match=what) as caught:
        open_source(tmp_path / "rows.npz")
    assert caught.value.where.endswith("array 'bad'") and caught.value.help


@given(names=st.lists(st.text(max_size=6), max_size=5))
def test_class_names_come_back(names: list[str]) -> None:
    metadata = {key.encode(): text.encode() for key, text in class_metadata(names).items()}
    assert class_names(metadata) == tuple(names)


@pytest.mark.parametrize(
    ("text", "names"), [("a,b,c", ("a", "b", "c")), ("7,8", ("7", "8")), ("5", ("5",)), ("[x,y]", ("[x", "y]"))]
)
def test_names_with_commas_between_them_are_read_too(text: str, names: tuple[str, ...]) -> None:
    assert class_names({b"classes": text.encode()}) == names


def test_a_class_folder_may_have_a_comma_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    for name in ("cat, big", "dog"):
        picture(tmp_path / "photos" / name / "1.png")
    for source, target in (("photos", "p.parquet"), ("p.parquet", "again.parquet")):
        convert(tmp_path / source, tmp_path / target, codec="none", progress=Silent())
        assert inspect(tmp_path / target).classes == ("cat, big", "dog")
    assert read_images(tmp_path / "again.parquet").classes == ("cat, big", "dog")


@pytest.mark.parametrize("beside", [(), ("dog",)])
def test_images_in_no_class_are_told(tmp_path: Path, beside: tuple[str, ...]) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png", *(f"{folder}/1.png" for folder in beside)):
        picture(tmp_path / "photos" / name)
    with pytest.raises(BadData, match="in no class folder") as caught:
        open_source(tmp_path / "photos")
    assert "2 lie beside" in caught.value.why and "a.JPG" in caught.value.why
    assert caught.value.where == str(tmp_path / "photos") and "move each" in caught.value.help


def test_a_class_folder_whose_name_is_no_text_is_told(tmp_path: Path) -> None:
    """A name from a system that wrote Latin-1."""
    picture(tmp_path / "photos" / "cat" / "1.png")
    (tmp_path / "photos" / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(BadData, match=r"the class folder 'caf\\udce9' has no readable name") as caught:
        open_source(tmp_path / "photos")
    assert caught.value.help == "rename it"
