"""How a Parquet file is compressed: the smallest of those that read fast here, by measurement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from burnish.core.noun import Noun

CODECS = ("none", "snappy", "lz4", "zstd-1", "zstd-3", "zstd-9")
_SLOWER = 0.8
_READS = 5


class Tried(Noun):
    """One codec on a sample: its bytes, and rows per second of reading it whole (the best of five turns)."""

    codec: str
    size_bytes: int
    rows_per_s: float


def settings(codec: str) -> dict[str, Any]:
    """`zstd-3` as the writer wants it."""
    name, _, level = codec.partition("-")
    return {"compression": name.upper(), "compression_level": int(level) if level else None}


def measure(sample: Any) -> tuple[Tried, ...]:
    """Every codec on a table, one thread, read in turns so that a busy moment meets all of them."""
    written = {codec: _write(sample, codec) for codec in CODECS}
    best = dict.fromkeys(CODECS, float("inf"))
    for _ in range(_READS):
        for codec, data in written.items():
            began = time.perf_counter()
            pyarrow.parquet.read_table(pa.BufferReader(data), use_threads=False)
            best[codec] = min(best[codec], time.perf_counter() - began)
    return tuple(
        Tried(codec=codec, size_bytes=data.size, rows_per_s=sample.num_rows / best[codec])
        for codec, data in written.items()
    )


def choose(tried: Sequence[Tried]) -> str:
    """The smallest of those that read at least four fifths as fast as the fastest."""
    fastest = max(row.rows_per_s for row in tried)
    return min((row for row in tried if row.rows_per_s >= _SLOWER * fastest), key=lambda row: row.size_bytes).codec


def _write(sample: Any, codec: str) -> Any:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(sample, sink, **settings(codec))
    return sink.getvalue()
