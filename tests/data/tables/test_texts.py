import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from burnish.core.errors import BadData, MissingData
from burnish.data.tables.parts import LENGTHS
from burnish.data.tables.texts import open_texts
from tests.data.tables.child import output_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


def encode(texts):
    """Three numbers of a text: itself as a number, its length, one."""
    numbers = [int(text.split()[-1]) for text in texts]
    return {"x": np.array([[n, len(t), 1] for n, t in zip(numbers, texts, strict=True)], np.int32),
            LENGTHS: np.array(numbers, np.int64) % 7}  # fmt: skip


def opened(path, **changes):
    given = {"text": "text", "label": "label", "encode": encode, "encoder": "numbers", "shares": (0.5, 0.5)} | changes
    return open_texts(path, **given)


def write(path, texts, labels):
    table = pa.table({"text": texts, "label": labels})
    with pq.ParquetWriter(path, table.schema) as writer:  # uneven row groups
        for start, stop in ((0, 3), (3, 40), (40, len(texts))):
            writer.write_table(table.slice(start, stop - start))
    return path


def rows(path, labels=("bad", "good")):
    texts = [f"row {number % 90}" for number in range(100)]  # ten are there twice
    return write(path, texts, [labels[number % 2] for number in range(100)])


@pytest.mark.parametrize("at_once", [2, 2048])
def test_every_text_is_in_one_part_once(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr("burnish.data.tables.texts._AT_ONCE", at_once)
    table = opened(rows(tmp_path / "t.parquet"))
    assert table.classes == ("bad", "good")
    found = np.concatenate([part.inputs["x"][:, 0] for part in table.parts])
    assert sorted(found.tolist()) == list(range(90))
    for part in table.parts:
        assert np.array_equal(part.targets, part.inputs["x"][:, 0] % 2)
        assert np.array_equal(part.lengths, part.inputs["x"][:, 0] % 7)
        assert not part.inputs["x"].flags.owndata


def test_it_is_encoded_once(tmp_path):
    path = rows(tmp_path / "t.parquet")
    before = [part.fingerprint() for part in opened(path).parts]

    def never(texts):
        raise AssertionError

    assert [part.fingerprint() for part in opened(path, encode=never).parts] == before
    for changes in ({"encoder": "other"}, {"seed": 1}, {"names": ("good", "bad")}):
        with pytest.raises(AssertionError):
            opened(path, encode=never, **changes)


def test_labels_are_those_of_the_model(tmp_path):
    table = opened(rows(tmp_path / "t.parquet"), names=("good", "neither", "bad"))
    assert table.classes == ("good", "neither", "bad")
    part = table.parts[0]
    assert np.array_equal(part.targets, np.where(part.inputs["x"][:, 0] % 2, 0, 2))
    numbered = opened(rows(tmp_path / "n.parquet", (0, 2)), names=("good", "neither", "bad"))
    assert set(numbered.parts[0].targets.tolist()) == {0, 2}
    assert opened(rows(tmp_path / "m.parquet", (5, 7))).classes == ("5", "7")
    words = pa.array(["row 1", "row 2", "row 3", "row 4"] * 2).dictionary_encode()
    table = pa.table({"text": words, "label": pa.array(["a", "b", "b", "a"] * 2).dictionary_encode()})
    pq.write_table(table, tmp_path / "d.parquet")
    assert sum(map(len, opened(tmp_path / "d.parquet").parts)) == 4


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ([1, 2, 3, 4], [0, 1, 0, 1], "holds no texts"),
        (["a 1", None, "b 2", "c 3"], [0, 1, 0, 1], "empty cell .*'text', row 1"),
        (["a 1", "b 2", "c 3", "d 4"], ["x", "y", None, "x"], "empty cell"),
        (["a 1", "b 2", "c 3", "d 4"], [0.5, 1.0, 0.0, 1.0], "labels are fractions"),
        (["a 1", "b 2", "c 3", "d 4"], [1, 1, 1, 1], "all labels are the same"),
        (["a 1", "b 2", "a 1", "b 2"], [0, 0, 1, 1], "all labels are the same"),
    ],
)
def test_faults_are_named(tmp_path, texts, labels, said):
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "t.parquet")
    with pytest.raises(BadData, match=said):
        opened(tmp_path / "t.parquet")


def test_labels_that_the_model_does_not_know_are_named(tmp_path):
    with pytest.raises(BadData, match="knows no class 'bad'"):
        opened(rows(tmp_path / "t.parquet"), names=("good", "fine"))
    with pytest.raises(BadData, match="labels go from 1 to 2"):
        opened(rows(tmp_path / "n.parquet", (1, 2)), names=("good", "bad"))
    with pytest.raises(BadData, match="no column 'lable'"):
        opened(rows(tmp_path / "t.parquet"), label="lable")
    with pytest.raises(MissingData):
        opened(tmp_path / "none.parquet")


@pytest.mark.slow
def test_texts_larger_than_memory(tmp_path):
    """240 MB of texts and 200 MB of numbers, in a process that may have 150 MB more than it starts with."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from burnish.data.tables.texts import open_texts
from burnish.data.checks import check_disjoint, check_split
path = Path(sys.argv[1]) / "rows.parquet"
schema = pa.schema([("text", pa.string()), ("label", pa.string())])
with pq.ParquetWriter(path, schema) as writer:
    for group in range(40):
        texts = [f"{group * 5000 + row} " * 200 for row in range(5000)]
        writer.write_table(pa.table({"text": texts, "label": ["bad", "good"] * 2500}, schema=schema))
held = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")][0]
resource.setrlimit(resource.RLIMIT_DATA, ((held + 150_000) * 1024,) * 2)
def encode(texts):
    return {"x": np.tile(np.array([float(text.split()[0]) for text in texts], np.float32)[:, None], (1, 250))}
parts = open_texts(path, text="text", label="label", encode=encode, encoder="x").parts
for part in parts:
    check_split(part, 2)
assert check_disjoint(parts[0], parts[2]) == []
print(sum(len(batch.rows) for part in parts for batch in part.shuffled(512, seed=0, epoch=0)))
"""
    assert output_of(code, tmp_path) == "200000"
