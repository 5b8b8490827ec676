import io
import tarfile

import pytest

from burnish.core.errors import BadData, MissingData
from burnish.data.movie_snippets import load_movie_snippets, load_other_sentences

NAME = "vaderSentiment-3.3.2.tar.gz"


def archive(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def write(folder, text, **others):
    texts = {"movieReviewSnippets": text, **others}
    inner = archive({f"hutto_ICWSM_2014/{name}_GroundTruth.txt": value.encode() for name, value in texts.items()})
    outer = archive({"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner})
    (folder / NAME).write_bytes(outer)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BURNISH_VADER", raising=False)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


TEXT = "1\t2.5\tgood film\r\n2\t-0.5\tbad film\r\n3\t0\tso so\r\n4\t-3\tgood film\r\n"


def test_labels_are_the_sign_and_texts_come_once(tmp_path, cache):
    for folder, data in ((tmp_path, tmp_path), (tmp_path, tmp_path / NAME), (cache, None)):
        write(folder, TEXT)
        texts, labels = load_movie_snippets(data)
        assert texts == ["good film", "bad film", "so so"]
        assert labels.tolist() == [1, 0, 0]
    assert sorted(path.name for path in cache.iterdir()) == [NAME]


def test_other_sentences_are_no_film_reviews(tmp_path):
    write(
        tmp_path,
        TEXT,
        amazonReviewSnippets="1\t1\tgood film\r\n2\t1\tgood pan\r\n",
        tweets="",
        nytEditorialSnippets="1\t0\tgood pan\r\n2\t-1\ta vote\r\n",
    )
    assert load_other_sentences(tmp_path) == ["good pan", "a vote"]


def test_missing_archive_prints_the_command(tmp_path, cache):
    for data in (None, tmp_path):
        with pytest.raises(MissingData, match=f"pip download --no-deps .*vaderSentiment==3.3.2 -d {cache}"):
            load_movie_snippets(data)


def test_damaged_archives_are_named(tmp_path):
    (tmp_path / NAME).write_bytes(b"no tar")
    with pytest.raises(BadData, match="not the archive"):
        load_movie_snippets(tmp_path)
    (tmp_path / NAME).write_bytes(archive({"other": b""}))
    with pytest.raises(BadData, match="not the archive"):
        load_movie_snippets(tmp_path)
    write(tmp_path, "1\t2.5\n")
    with pytest.raises(BadData, match="line 1"):
        load_movie_snippets(tmp_path)
