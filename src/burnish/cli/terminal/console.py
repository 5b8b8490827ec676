"""What the command line shows: tables, cards and errors.

rich is imported in this folder only. Errors and notes go to stderr, results to stdout, so that stdout
can be piped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from burnish.core.errors import BurnishError
from burnish.report.summary import COLUMNS, Row

_PLAIN_WIDTH = 160


def print_error(error: BurnishError, stream: TextIO | None = None) -> None:
    """What is wrong in red, why dimmed, the fix in green; on stderr."""
    console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
    where = f" ({error.where})" if error.where else ""
    console.print(Text.assemble(("error: ", "bold red"), (error.what + where, "red")))
    if error.why:
        console.print(Text(f"why: {error.why}", style="dim"))
    if error.help:
        console.print(Text(f"help: {error.help}", style="green"))


def print_note(text: str) -> None:
    """One line for a person, on stderr."""
    Console(file=sys.stderr, highlight=False, soft_wrap=True).print(Text(text))


def print_headline(text: str) -> None:
    """The run in one line, on stdout."""
    print_line(text, style="bold")


def print_plan(title: str, steps: Sequence[tuple[str, str, bool]], budget: str) -> None:
    """What a run is going to do, on stdout: per pass its name, its forecast, and whether it is cached."""
    print_line(f"{title}; budget: {budget or 'none'}", style="bold")
    rows = [
        (str(number), name, forecast, "yes" if cached else "no")
        for number, (name, forecast, cached) in enumerate(steps, start=1)
    ]
    print_rows(("", "pass", "what it does", "cached"), rows)


def print_table(rows: Sequence[Row]) -> None:
    """The final table of a run on stdout; the returned candidate is bold."""
    strong = [index for index, row in enumerate(rows) if row.chosen]
    print_rows(COLUMNS, [row.cells for row in rows], strong=strong, numbers=(3, 4, 5, 6, 7, 8))


def print_rows(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    strong: Sequence[int] = (),
    numbers: Sequence[int] = (),
) -> None:
    """A table on stdout. `strong` are the rows in bold, `numbers` the columns set to the right."""
    console = _stdout()
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(Text(name), justify="right" if index in numbers else "left", overflow="fold")
    for index, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), style="bold green" if index in strong else "")
    console.print(table)


def print_card(markdown: str) -> None:
    """A card written in Markdown, on stdout; as it stands where stdout is no terminal."""
    console = _stdout()
    if console.is_terminal:
        console.print(Markdown(markdown))
    else:
        sys.stdout.write(markdown.rstrip() + "\n")


def print_line(text: str, *, style: str = "") -> None:
    """One line on stdout."""
    _stdout().print(Text(text, style=style), soft_wrap=True)


def _stdout() -> Console:
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    return console
