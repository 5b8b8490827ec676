"""Writes docs/reference: the card of every part, and the help of every command.

Run `python -m burnish.cli.reference docs/reference`; a test holds the files to the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

from burnish.cli.listing import card
from burnish.cli.main import help_texts
from burnish.core.doors import DOORS
from burnish.core.files import write_text


def pages() -> dict[str, str]:
    """File name -> Markdown."""
    found = {"commands.md": _commands()}
    for door_name, door in DOORS.items():
        cards = [card(door_name, name, door.get(name)).replace("\n## ", "\n### ") for name in door.names()]
        body = "\n\n".join(text.replace("# ", "## ", 1) for text in cards)
        found[f"{door_name}.md"] = f"# {door_name.capitalize()}\n\n{body}\n"
    return found


def _commands() -> str:
    parts = ["# Commands\n"]
    for name, text in help_texts().items():
        parts.append(f"## burnish {name}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(parts)


def main(folder: Path) -> None:
    """Write every page into `folder`."""
    for name, text in pages().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
