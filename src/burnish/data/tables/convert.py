"""Any table to one Parquet file: typed columns, statistics, where it came from; written whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from burnish.core.errors import BadData, RecipeError, did_you_mean
from burnish.core.files import new_file
from burnish.core.noun import Noun
from burnish.core.progress import Progress, Task
from burnish.data.tables import codecs
from burnish.data.tables.codecs import CODECS, Tried
from burnish.data.tables.faults import unreadable
from burnish.data.tables.source import Source
from burnish.data.tables.sources import open_source

_SAMPLE_BYTES = 32 << 20
_GROUP_BYTES = 64 << 20
_GROUP_ROWS = 131_072


class Converted(Noun):
    """What a conversion did. `tried` is empty when the codec was given."""

    rows: int
    columns: tuple[str, ...]
    source_bytes: int
    size_bytes: int
    codec: str
    tried: tuple[Tried, ...] = ()

    @property
    def saved(self) -> float:
        """The share of the source's bytes that is gone."""
        return 1 - self.size_bytes / max(1, self.source_bytes)


def convert(source: Path, target: Path, *, codec: str = "auto", progress: Progress) -> Converted:
    """Write `source` as Parquet. `codec` is one of `CODECS`, or `auto`: measured on the first rows.

    Row groups hold at most 131,072 rows and about 64 MB. Raises `MissingData`, `BadData`, `RecipeError`, `OutputError`.
    """
    if codec not in ("auto", *CODECS):
        raise RecipeError(f"unknown codec {codec!r}", where="codec", help=did_you_mean(codec, ["auto", *CODECS]))
    table = open_source(source)
    metadata = {"burnish.source": source.name, "burnish.source_sha256": table.digest(), **table.metadata}
    schema = table.schema.with_metadata(metadata)
    try:
        with new_file(target) as file, progress.task(f"reading {source.name}", 100) as bar:
            first = _first(table)
            tried = codecs.measure(pa.Table.from_batches(first, table.schema)) if codec == "auto" and first else ()
            chosen = codecs.choose(tried) if tried else "zstd-3" if codec == "auto" else codec
            rows = _write(table, first, schema, file, chosen, bar)
            if not rows:
                raise BadData("there are no rows", where=str(source))
    except pa.ArrowException as error:
        raise unreadable(source, error) from None
    return Converted(
        rows=rows,
        columns=tuple(schema.names),
        source_bytes=table.size_bytes,
        size_bytes=target.stat().st_size,
        codec=chosen,
        tried=tried,
    )


def _first(table: Source) -> list[Any]:
    """Batches from the start, up to 32 MB of them."""
    taken: list[Any] = []
    size = 0
    for batch in table.batches:
        taken.append(batch)
        size += batch.nbytes
        if size >= _SAMPLE_BYTES:
            break
    return taken


def _write(table: Source, first: Sequence[Any], schema: Any, file: IO[bytes], codec: str, bar: Task) -> int:
    rows = percent = 0
    with pyarrow.parquet.ParquetWriter(file, schema, **codecs.settings(codec)) as writer:
        for group in _groups(itertools.chain(first, table.batches)):
            writer.write_table(pa.Table.from_batches(group).replace_schema_metadata(schema.metadata))
            rows += sum(batch.num_rows for batch in group)
            now = int(100 * min(1.0, table.share(rows)))
            bar.advance(max(0, now - percent), note=f"{rows:,} rows")
            percent = max(now, percent)
    return rows


def _groups(batches: Iterator[Any]) -> Iterator[list[Any]]:
    """Batches gathered into row groups."""
    group: list[Any] = []
    for batch in batches:
        for start in range(0, batch.num_rows, _GROUP_ROWS):
            part = batch.slice(start, _GROUP_ROWS)
            full = sum(b.num_rows for b in group) + part.num_rows > _GROUP_ROWS
            if group and (full or sum(b.nbytes for b in group) >= _GROUP_BYTES):
                yield group
                group = []
            group.append(part)
    if group:
        yield group
