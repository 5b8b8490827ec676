"""10,605 one-line film reviews with human ratings, from the source archive of vaderSentiment.

Beside them lie 13,000 sentences of other kinds (product reviews, tweets, editorials), which a
student may learn its teacher's answers from.

The archive holds another archive; both are read in memory and nothing is unpacked to disk.
Source: C. Hutto and E. Gilbert 2014 (ICWSM); texts from B. Pang and L. Lee 2005.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.data.locate import cache_folder, locate

_ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
_INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_FILE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
_OTHERS = tuple(
    f"hutto_ICWSM_2014/{kind}_GroundTruth.txt" for kind in ("amazonReviewSnippets", "tweets", "nytEditorialSnippets")
)


def load_movie_snippets(data: str | Path | None = None) -> tuple[list[str], NDArray[np.int64]]:
    """Texts, each once, and labels: 1 for a mean rating above 0, else 0.

    `data` is the archive or a folder that holds it; else BURNISH_VADER, else the cache folder.
    Raises `MissingData`, `BadData`.
    """
    [ratings] = _rated(_archive(data), _FILE)
    labels = np.array([rating > 0 for rating in ratings.values()], np.int64)
    return list(ratings), labels


def load_other_sentences(data: str | Path | None = None) -> list[str]:
    """Sentences of product reviews, tweets and editorials, each once, none of them a film review."""
    films, *others = _rated(_archive(data), _FILE, *_OTHERS)
    return list({text: None for ratings in others for text in ratings if text not in films})


def _archive(data: str | Path | None) -> Path:
    what = "the movie snippets (vaderSentiment's source archive)"
    command = f"pip download --no-deps --no-binary :all: vaderSentiment==3.3.2 -d {cache_folder()}"
    places = (cache_folder() / _ARCHIVE,)
    path = locate(what, given=data, variable="BURNISH_VADER", places=places, help=command)
    return locate(what, given=path / _ARCHIVE, help=command) if path.is_dir() else path


def _rated(path: Path, *names: str) -> list[dict[str, float]]:
    """Text -> mean rating, for every file of the archive named; the first of equal texts counts."""
    return [_ratings(data, f"{path}, {name}") for name, data in zip(names, _read(path, names), strict=True)]


def _ratings(data: bytes, where: str) -> dict[str, float]:
    ratings: dict[str, float] = {}
    for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) != 3:
            raise BadData("a line has not three fields", where=f"{where}, line {number}")
        ratings.setdefault(fields[2], float(fields[1]))
    return ratings


def _read(path: Path, names: Sequence[str]) -> list[bytes]:
    try:
        with tarfile.open(path) as outer, tarfile.open(fileobj=io.BytesIO(_member(outer, _INNER))) as inner:
            return [_member(inner, name) for name in names]
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise BadData(
            "this is not the archive of vaderSentiment 3.3.2", where=str(path), why=str(error), help="fetch it again"
        ) from None


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    return stream.read()
