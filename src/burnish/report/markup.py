"""Small pieces of HTML; everything that comes from outside goes through `text`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from burnish.report.format import typeset


def text(value: object) -> str:
    """Escaped for use between tags and inside quoted attributes."""
    return escape(str(value), quote=True)


def breakable(value: str) -> str:
    """Escaped; may wrap after dots and slashes, as the names of layers do."""
    return text(value).replace(".", ".<wbr>").replace("/", "/<wbr>")


def figure(value: str) -> str:
    """A formatted number for a cell: the interval in brackets moves to a second, quieter line."""
    head, bracket, rest = typeset(value).partition(" [")
    return f"{text(head)}<small>[{text(rest)}</small>" if bracket else text(head)


def cell(content: str, kind: str = "") -> str:
    """A table cell around markup that is already safe."""
    return f'<td class="{kind}">{content}</td>' if kind else f"<td>{content}</td>"


def table(columns: Sequence[tuple[str, str]], rows: Iterable[str], caption: str) -> str:
    """A table in a box that scrolls by itself; `columns` are (title, class) pairs."""
    head = "".join(
        f'<th class="{kind}" scope="col">{text(title)}</th>' if kind else f'<th scope="col">{text(title)}</th>'
        for title, kind in columns
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def bullets(items: Iterable[str]) -> str:
    """A list of texts, escaped."""
    return '<ul class="plain">' + "".join(f"<li>{text(item)}</li>" for item in items) + "</ul>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side, escaped; empty values are left out."""
    inner = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows if value)
    return f'<dl class="pairs">{inner}</dl>'


def section(title: str, content: str, anchor: str) -> str:
    """A titled part of the page; "" when it would be empty."""
    return f'<section id="{text(anchor)}"><h2>{text(title)}</h2>{content}</section>' if content else ""


def folded(title: str, content: str) -> str:
    """Markup behind a line to click."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"
