"""10,605 one-line film reviews with human ratings, from the source archive of vaderSentiment.

The archive holds another archive; both are read in memory and nothing is unpacked to disk.
Source: C. Hutto and E. Gilbert 2014 (ICWSM); texts from B. Pang and L. Lee 2005.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.data.locate import cache_folder, locate

_ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
_INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_FILE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def load_movie_snippets(data: str | Path | None = None) -> tuple[list[str], NDArray[np.int64]]:
    """Texts, each once, and labels: 1 for a mean rating above 0, else 0.

    `data` is the archive or a folder that holds it; else BURNISH_VADER, else the cache folder.
    Raises `MissingData`, `BadData`.
    """
    command = f"pip download --no-deps --no-binary :all: vaderSentiment==3.3.2 -d {cache_folder()}"
    path = locate(
        "the movie snippets (vaderSentiment's source archive)",
        given=data,
        variable="BURNISH_VADER",
        places=(cache_folder() / _ARCHIVE,),
        help=command,
    )
    if path.is_dir():
        path = locate("the movie snippets (vaderSentiment's source archive)", given=path / _ARCHIVE, help=command)
    ratings: dict[str, float] = {}
    for number, line in enumerate(_read(path).decode("utf-8").splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise BadData("a line has not three fields", where=f"{path}, {_FILE}, line {number}")
        ratings.setdefault(fields[2], float(fields[1]))
    labels = np.array([rating > 0 for rating in ratings.values()], np.int64)
    return list(ratings), labels


def _read(path: Path) -> bytes:
    try:
        with tarfile.open(path) as outer, tarfile.open(fileobj=io.BytesIO(_member(outer, _INNER))) as inner:
            return _member(inner, _FILE)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise BadData(
            "this is not the archive of vaderSentiment 3.3.2", where=str(path), why=str(error), help="fetch it again"
        ) from None


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    return stream.read()
