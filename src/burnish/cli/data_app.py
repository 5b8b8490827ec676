"""The commands under `burnish data`: their arguments and help. What they do is in `data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tables: convert and inspect; rows: check.")


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


@app.command("check")
def check(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="As `burnish optimize` takes it.")],
    out: Annotated[Path | None, typer.Option(help="A Parquet file for the columns; none is written otherwise.")] = None,
    rows: Annotated[
        int, typer.Option(min=50, help="Rows of each split that are looked at, drawn by seed; for doubles, all.")
    ] = 4000,
    data: Annotated[str | None, typer.Option(help="The workload's setting `data`, where it has one.")] = None,
) -> None:
    """Look at training rows before training: doubles, labels that are likely wrong, a shift from train to test.

    \b
    Examples:
      burnish data check digits
      burnish data check fashion-mnist --rows 2000 --out samples.parquet
    """
    from burnish.cli.data import check as body

    body(workload, out, rows, data)
