"""What pyarrow says about a table that it cannot read, with the help that fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from burnish.core.errors import BadData

_TYPES = "every row needs the same columns with the same types; the first rows decide them"
_DAMAGED = "fetch the file again or write it anew: it is cut short, damaged or no Parquet"
_NAMES = "give every column a name of its own"
_HELP = (
    (r"(CSV parse error: )?Empty (CSV|JSON)", "the file is empty: write rows into it, in a CSV below a line of names"),
    (r"straddling object|CSV parser got out of sync", "close every quote and bracket; one row may take up to 8 MB"),
    (r"JSON parse error: Column\(\) changed from object to array", "write one object per line, with no list around"),
    (r"JSON parse error: Column\(.*\) was specified twice", _NAMES),
    (r".*invalid UTF8 data$|'utf-8' codec can't decode", "save the file as UTF-8"),
)


def unreadable(path: Path, error: Exception) -> BadData:
    """What pyarrow could not read, in one line."""
    why = str(error).splitlines()[0]
    usual = _DAMAGED if path.suffix.lower() == ".parquet" else _TYPES
    fitting = (fix for begin, fix in _HELP if re.match(begin, why))
    return BadData("the file cannot be read", where=str(path), why=why, help=next(fitting, usual))


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raises `BadData` on the first name that an earlier column has."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        first = places.setdefault(name, place)
        if first != place:
            where = f"{path}, columns {first} and {place}"
            raise BadData(f"two columns have the name {name!r}", where=where, help=_NAMES)
