"""The commands under `burnish data`: their arguments and help. What they do is in `data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tables: convert and inspect.")


@app.command("convert")
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A table, or a folder with a folder of images per class.")
    ],
    target: Annotated[Path | None, typer.Argument(metavar="TARGET", help="SOURCE with .parquet otherwise.")] = None,
    codec: Annotated[str, typer.Option(help="none, snappy, lz4, zstd-1, zstd-3, zstd-9; measured otherwise.")] = "auto",
) -> None:
    """Write a table as Parquet: typed columns, statistics, the smallest codec that reads fast here.

    Reads .jsonl, .csv, .tsv, .parquet, .npz and folders of images, as a stream: the source may be larger than
    memory.

    \b
    Examples:
      burnish data convert clicks.jsonl
      burnish data convert photos/ photos.parquet
      burnish data convert clicks.csv clicks.parquet --codec zstd-3
    """
    from burnish.cli.data import convert as body

    body(source, target, codec)


@app.command("inspect")
def inspect(file: Annotated[Path, typer.Argument(metavar="FILE", help="A Parquet file.")]) -> None:
    """Show the columns of a Parquet file: types, ranges, empty cells, bytes.

    \b
    Examples:
      burnish data inspect clicks.parquet
    """
    from burnish.cli.data import inspect as body

    body(file)
