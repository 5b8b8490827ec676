"""Sample columns as a Parquet file that any reader of Parquet understands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from burnish.core.errors import BadData, MissingData
from burnish.core.files import new_file
from burnish.data.samples.columns import SampleColumns
from burnish.data.tables.faults import unreadable

_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("difficulty", pa.float64()),
        ("weight", pa.float64()),
        ("p_test", pa.float64()),
        ("flags", pa.list_(pa.string())),
        ("data", pa.string()),
        ("data_rows", pa.int64()),
    ]
)


def write_samples(columns: SampleColumns, path: Path) -> None:
    """Columns `row`, `difficulty`, `weight`, `p_test`, `flags`; an empty cell is not measured.

    `data` and `data_rows` are the same in every row: cells outlive a change of the file with another tool, which
    metadata does not. Raises `OutputError`.
    """
    data = {
        "row": columns.rows,
        "difficulty": columns.difficulty,
        "weight": columns.weight,
        "p_test": columns.p_test,
        "flags": [list(found) for found in columns.flags],
        "data": [columns.data] * len(columns.rows),
        "data_rows": [columns.data_rows] * len(columns.rows),
    }
    arrays = [pa.array(data[field.name], field.type, from_pandas=True) for field in _SCHEMA]
    with new_file(path) as file:
        pyarrow.parquet.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA), file, compression="ZSTD")


def read_samples(path: Path) -> SampleColumns:
    """The inverse of `write_samples`. Raises `MissingData`, `BadData`."""
    if not path.is_file():
        raise MissingData("there is no such file", where=str(path), help="check the path")
    try:
        table = pyarrow.parquet.read_table(path)
    except pa.ArrowException as error:
        raise unreadable(path, error) from None
    lacking = [name for name in _SCHEMA.names if name not in table.column_names]
    if lacking:
        raise BadData(f"there is no column {lacking[0]!r}", where=str(path), help="write it with `burnish data check`")
    sources = set(zip(table["data"].to_pylist(), table["data_rows"].to_pylist(), strict=True))
    if len(sources) != 1:
        raise BadData(f"rows of {len(sources)} data sets", where=str(path), help="give the rows of one data set")
    data, count = sources.pop()
    numbers = {name: table[name].cast(pa.float64()).to_numpy() for name in ("difficulty", "weight", "p_test")}
    return SampleColumns(
        rows=table["row"].to_numpy().astype(np.int64),
        flags=tuple(tuple(found or ()) for found in table["flags"].to_pylist()),
        data=str(data),
        data_rows=int(count or 0),
        **numbers,
    )
