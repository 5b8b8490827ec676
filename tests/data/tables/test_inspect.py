"""Each column has its own bytes and range, whatever its name and however many columns of the file hold it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.tables.inspect import inspect

NAMES = st.text(st.sampled_from("ab."), min_size=1, max_size=5)
LEAVES = st.sampled_from([pa.int64(), pa.float32(), pa.string(), pa.bool_(), pa.dictionary(pa.int32(), pa.string())])
TYPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(lambda parts: pa.struct(list(parts.items()))),
    ),
    max_leaves=4,
)


def test_a_name_with_a_dot(tmp_path: Path) -> None:
    table = pa.table({"sepal.length": [0.5, 1.5], "sepal": [{"length": 7}, {"length": 8}], "sepal.": ["x", None]})
    pq.write_table(table, tmp_path / "t.parquet", compression="snappy")
    dotted, nested, last = inspect(tmp_path / "t.parquet").columns
    assert (dotted.name, dotted.low, dotted.high, dotted.nulls, dotted.codec) == (
        "sepal.length",
        "0.5",
        "1.5",
        0,
        "snappy",
    )
    assert (nested.name, nested.low) == ("sepal", "")
    assert (last.name, last.low, last.nulls) == ("sepal.", "x", 1)
    assert min(dotted.size_bytes, nested.size_bytes, last.size_bytes) > 0


@settings(max_examples=60)
@given(kinds=st.dictionaries(NAMES, TYPES, min_size=1, max_size=4))
def test_all_bytes_of_the_file_are_of_some_column(
    tmp_path_factory: pytest.TempPathFactory, kinds: dict[str, pa.DataType]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    schema = pa.schema([*kinds.items(), ("the last", pa.int64())])
    rows = [{"the last": number} for number in (4, 9)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=1)
    found, footer = inspect(path), pq.ParquetFile(path).metadata
    assert [column.name for column in found.columns] == schema.names
    assert (found.columns[-1].low, found.columns[-1].high) == ("4", "9")
    stored = sum(
        footer.row_group(group).column(place).total_compressed_size
        for group in (0, 1)
        for place in range(footer.num_columns)
    )
    assert sum(column.size_bytes for column in found.columns) == stored
