"""What can become a table: JSON lines, CSV, Parquet, arrays in a `.npz`, a folder of images by class.

A source is read as a stream of record batches, so it may be larger than memory (a `.npz` is not: NumPy
opens whole arrays).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
from numpy.typing import NDArray

from burnish.core.errors import BadData, MissingData
from burnish.core.files import sha256
from burnish.data.npz import read_npz
from burnish.data.tables.class_names import class_metadata, class_names
from burnish.data.tables.faults import check_names, unreadable
from burnish.data.tables.image_folder import open_images
from burnish.data.tables.source import Source, share_of

TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
"""Files of rows and columns that are read as a stream."""
_BLOCK_BYTES = 8 << 20
_ROWS = 16_384


def open_source(path: Path, columns: Sequence[str] | None = None) -> Source:
    """Look at the kind of source by its name; of Parquet only `columns` are read. Raises `MissingData`, `BadData`."""
    if path.is_dir():
        return open_images(path)
    if not path.is_file():
        raise MissingData("there is no such file or folder", where=str(path), help="check the path")
    try:
        source = _file(path, columns)
        check_names(path, source.schema.names)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None
    return source


def _file(path: Path, columns: Sequence[str] | None) -> Source:
    facts: dict[str, Any] = {"size_bytes": path.stat().st_size, "digest": lambda: sha256(path)}
    match path.suffix.lower():
        case ".jsonl" | ".ndjson" | ".json":
            file, share = _stream(path)
            options = pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES)
            reader = pyarrow.json.open_json(file, read_options=options)
            return Source(schema=reader.schema, batches=iter(reader), share=share, **facts)
        case ".csv" | ".tsv" as suffix:
            file, share = _stream(path)
            delimiter = "\t" if suffix == ".tsv" else ","
            reader = pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            )
            return Source(schema=reader.schema, batches=iter(reader), share=share, **facts)
        case ".parquet":
            parquet = pyarrow.parquet.ParquetFile(path)
            classes = class_names(parquet.schema_arrow.metadata)
            return Source(
                schema=parquet.schema_arrow.remove_metadata(),
                batches=_row_groups(parquet, path, columns),
                share=share_of(parquet.metadata.num_rows),
                metadata=class_metadata(classes) if classes else {},
                **facts,
            )
        case ".npz":
            return _arrays(path, facts)
    raise BadData(
        f"{path.suffix or 'no suffix'} is no known kind of table",
        where=str(path),
        help="give .jsonl, .csv, .tsv, .parquet, .npz, or a folder with one folder of images per class",
    )


def _row_groups(parquet: Any, path: Path, columns: Sequence[str] | None) -> Iterator[Any]:
    """Raises `BadData` naming the row group that cannot be read."""
    for group in range(parquet.num_row_groups):
        try:
            yield from parquet.iter_batches(_ROWS, row_groups=[group], columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise BadData(
                "a row group cannot be read",
                where=f"{path}, row group {group} of {parquet.num_row_groups}",
                why=str(error).splitlines()[0],
                help="fetch the file again, or write it anew without these rows",
            ) from None


def _arrays(path: Path, facts: dict[str, Any]) -> Source:
    """One column per array; rows of several dimensions become lists of fixed length, their shape in the field."""
    arrays = read_npz(path)
    counts = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
    if not arrays or len(set(counts.values())) > 1 or -1 in counts.values():
        raise BadData("the arrays have not the same number of rows", where=str(path), why=str(counts))
    columns, fields = [], []
    for name, array in arrays.items():
        column = _column(array, where=f"{path}, array {name!r}")
        shape = ",".join(map(str, array.shape[1:]))
        fields.append(pa.field(name, column.type, metadata={"shape": shape} if shape else None))
        columns.append(column)
    table = pa.table(columns, schema=pa.schema(fields))
    return Source(schema=table.schema, batches=iter(table.to_batches(_ROWS)), share=share_of(table.num_rows), **facts)


def _column(array: NDArray[Any], *, where: str) -> Any:
    if not array.size:
        raise BadData(
            f"the array holds nothing, its shape is {array.shape}", where=where, help="fill it or leave it out"
        )
    flat = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(len(array), -1)
    try:
        column = pa.array(flat.ravel())
    except pa.ArrowNotImplementedError:
        raise BadData(
            f"an array of type {array.dtype} cannot become a column",
            where=where,
            help="give numbers, truth values or texts; fields and complex parts as arrays of their own",
        ) from None
    return pa.FixedSizeListArray.from_arrays(column, flat.shape[1]) if array.ndim > 1 else column


def _stream(path: Path) -> tuple[Any, Callable[[int], float]]:
    """A file to read from start to end, and how far the reader has got."""
    file = pa.OSFile(str(path))
    size = max(1, file.size())
    return file, lambda _rows: 1.0 if file.closed else file.tell() / size
