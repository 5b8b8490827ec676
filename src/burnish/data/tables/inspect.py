"""What a Parquet file holds, read from its footer: columns, types, ranges, empty cells, bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from burnish.core.errors import BadData, MissingData
from burnish.core.noun import Noun
from burnish.data.tables.class_names import class_names
from burnish.data.tables.faults import unreadable

_SHOWN = 24


class Column(Noun):
    """One column. `nulls`, `low` and `high` are empty where the file does not say them for every row group."""

    name: str
    type: str
    nulls: int | None
    low: str
    high: str
    size_bytes: int
    codec: str


class Inspected(Noun):
    """A whole file; `source` and `source_sha256` say what it was converted from."""

    rows: int
    row_groups: int
    size_bytes: int
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()
    source: str = ""
    source_sha256: str = ""


def inspect(path: Path) -> Inspected:
    """Read the footer. Raises `MissingData`, `BadData`."""
    if not path.is_file():
        raise MissingData("there is no such file", where=str(path), help="check the path")
    if path.suffix.lower() != ".parquet":
        raise BadData(
            "this is not a Parquet file",
            where=str(path),
            help=f"burnish data convert {path.name} first, it is typed then",
        )
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pa.ArrowException as error:
        raise unreadable(path, error) from None
    footer, schema = file.metadata, file.schema_arrow
    notes = {key.decode(): value.decode(errors="replace") for key, value in (schema.metadata or {}).items()}
    return Inspected(
        rows=footer.num_rows,
        row_groups=footer.num_row_groups,
        size_bytes=path.stat().st_size,
        columns=tuple(_columns(footer, schema)),
        classes=class_names(schema.metadata),
        source=notes.get("burnish.source", ""),
        source_sha256=notes.get("burnish.source_sha256", ""),
    )


def _columns(footer: Any, schema: Any) -> Iterator[Column]:
    """A nested column is stored as several, one after the other. Names do not tell which: they may hold dots."""
    groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
    begin = 0
    for field in schema:
        end = begin + _stored(field.type)
        yield _column(field, [group.column(place) for group in groups for place in range(begin, end)])
        begin = end


def _stored(kind: Any) -> int:
    """How many columns of the file hold a column of this type."""
    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    return sum(_stored(kind.field(part).type) for part in range(kind.num_fields)) or 1


def _column(field: Any, chunks: Sequence[Any]) -> Column:
    stats = [chunk.statistics for chunk in chunks]
    told = bool(stats) and all(s is not None and s.has_min_max for s in stats) and not pa.types.is_nested(field.type)
    counted = bool(stats) and all(s is not None and s.has_null_count for s in stats)
    shape = (field.metadata or {}).get(b"shape", b"").decode()
    return Column(
        name=field.name,
        type=f"{field.type}" + (f", shape {shape}" if shape else ""),
        nulls=sum(s.null_count for s in stats) if counted else None,
        low=_short(min(s.min for s in stats)) if told else "",
        high=_short(max(s.max for s in stats)) if told else "",
        size_bytes=sum(chunk.total_compressed_size for chunk in chunks),
        codec=", ".join(sorted({str(chunk.compression).lower() for chunk in chunks})),
    )


def _short(value: Any) -> str:
    text = (
        f"{len(value)} bytes"
        if isinstance(value, bytes)
        else f"{value:.6g}"
        if isinstance(value, float)
        else str(value)
    )
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
