"""What can become a table: JSON lines, CSV, Parquet, arrays in a `.npz`, a folder of images by class.

A source is read as a stream of record batches, so it may be larger than memory (a `.npz` is not: NumPy
opens whole arrays).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from burnish.core.errors import BadData, MissingData
from burnish.core.files import digest, sha256

TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
"""Files of rows and columns that are read as a stream."""
IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_BLOCK_BYTES = 8 << 20
_ROWS = 16_384
_IMAGE_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table in batches. `size_bytes` and `digest()` (SHA-256, in hex) are of what it is read from.

    `share` says how much of it has been read, in [0, 1], given the rows that came out.
    """

    schema: Any
    batches: Iterator[Any]
    share: Callable[[int], float]
    size_bytes: int
    digest: Callable[[], str]
    metadata: dict[str, str] = field(default_factory=dict)


def open_source(path: Path, columns: Sequence[str] | None = None) -> Source:
    """Look at the kind of source by its name; of Parquet only `columns` are read. Raises `MissingData`, `BadData`."""
    if path.is_dir():
        return _images(path)
    if not path.is_file():
        raise MissingData("there is no such file or folder", where=str(path), help="check the path")
    try:
        return _file(path, columns)
    except pa.ArrowException as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> BadData:
    """What pyarrow could not read, in one line."""
    return BadData(
        "the file cannot be read",
        where=str(path),
        why=str(error).splitlines()[0],
        help="every row needs the same columns with the same types; the first rows decide them",
    )


def _file(path: Path, columns: Sequence[str] | None) -> Source:
    facts: dict[str, Any] = {"size_bytes": path.stat().st_size, "digest": lambda: sha256(path)}
    match path.suffix:
        case ".jsonl" | ".ndjson" | ".json":
            file, share = _stream(path)
            options = pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES)
            reader = pyarrow.json.open_json(file, read_options=options)
            return Source(schema=reader.schema, batches=iter(reader), share=share, **facts)
        case ".csv" | ".tsv":
            file, share = _stream(path)
            reader = pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ","),
            )
            return Source(schema=reader.schema, batches=iter(reader), share=share, **facts)
        case ".parquet":
            parquet = pyarrow.parquet.ParquetFile(path)
            schema = parquet.schema_arrow.remove_metadata()
            kept = {k.decode(): v.decode() for k, v in (parquet.schema_arrow.metadata or {}).items() if k == b"classes"}
            share = _of(parquet.metadata.num_rows)
            return Source(
                schema=schema, batches=_row_groups(parquet, path, columns), share=share, metadata=kept, **facts
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
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError) as error:
        raise unreadable(path, error) from None
    counts = {name: len(array) if array.ndim else -1 for name, array in arrays.items()}
    if not arrays or len(set(counts.values())) > 1 or -1 in counts.values():
        raise BadData("the arrays have not the same number of rows", where=str(path), why=str(counts))
    columns, fields = [], []
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array).reshape(len(array), -1)
        column = pa.array(flat.ravel())
        if array.ndim > 1:
            column = pa.FixedSizeListArray.from_arrays(column, flat.shape[1])
        shape = ",".join(map(str, array.shape[1:]))
        fields.append(pa.field(name, column.type, metadata={"shape": shape} if shape else None))
        columns.append(column)
    table = pa.table(columns, schema=pa.schema(fields))
    return Source(schema=table.schema, batches=iter(table.to_batches(_ROWS)), share=_of(table.num_rows), **facts)


def _images(folder: Path) -> Source:
    """Columns `image` (the file's bytes), `label` (int64, in the order of the class names) and `path`."""
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    rows = [
        (file, number)
        for number, name in enumerate(classes)
        for file in sorted((folder / name).rglob("*"))
        if file.suffix.lower() in IMAGES
    ]
    if not rows:
        raise BadData("no images found", where=str(folder), help="one folder per class, images in it")
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64()), ("path", pa.string())])

    def batches() -> Iterator[Any]:
        for start in range(0, len(rows), _IMAGE_ROWS):
            part = rows[start : start + _IMAGE_ROWS]
            names = [file.relative_to(folder).as_posix() for file, _ in part]
            yield pa.record_batch([[f.read_bytes() for f, _ in part], [n for _, n in part], names], schema=schema)

    def whole() -> str:
        return digest(*(part for file, _ in rows for part in (file.relative_to(folder).as_posix(), sha256(file))))

    return Source(
        schema=schema,
        batches=batches(),
        share=_of(len(rows)),
        size_bytes=sum(file.stat().st_size for file, _ in rows),
        digest=whole,
        metadata={"classes": ",".join(classes)},
    )


def _of(total: int) -> Callable[[int], float]:
    return lambda rows: rows / max(1, total)


def _stream(path: Path) -> tuple[Any, Callable[[int], float]]:
    """A file to read from start to end, and how far the reader has got."""
    file = pa.OSFile(str(path))
    size = max(1, file.size())
    return file, lambda _rows: 1.0 if file.closed else file.tell() / size
