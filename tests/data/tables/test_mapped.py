import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from burnish.core.errors import BadData
from burnish.data.tables.mapped import open_table
from tests.data.tables.child import output_of


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = {
        "number": np.arange(1000),
        "a": rng.normal(size=1000),
        "b": rng.integers(0, 9, 1000),
        "picture": pa.FixedSizeListArray.from_arrays(pa.array(rng.integers(0, 255, 6000).astype(np.uint8)), 6),
        "word": pa.array(np.array(["yes", "no", "perhaps"])[rng.integers(0, 3, 1000)]),
    }
    whole = pa.table(rows)
    shape = whole.schema.field("picture").with_metadata({"shape": "1,2,3"})
    whole = whole.cast(whole.schema.set(3, shape))
    path = tmp_path / "rows.parquet"
    with pq.ParquetWriter(path, whole.schema) as writer:  # uneven row groups
        for start, stop in ((0, 10), (10, 700), (700, 703), (703, 1000)):
            writer.write_table(whole.slice(start, stop - start))
    return path, whole


INPUTS = {"x": ["a", "b", "number"], "picture": ["picture"], "n": ["number"]}


def test_every_row_is_in_one_part_and_mapped(table):
    path, whole = table
    opened = open_table(path, inputs=INPUTS, target="word")
    assert opened.classes == ("no", "perhaps", "yes")
    assert np.allclose([len(part) for part in opened.parts], [800, 100, 100], atol=3)
    seen = np.concatenate([part.inputs["n"] for part in opened.parts])
    assert sorted(seen.tolist()) == list(range(1000))
    a, pictures = whole["a"].to_numpy(), np.array(whole["picture"].to_pylist(), np.uint8)
    words = np.array(whole["word"].to_pylist())
    for part in opened.parts:
        rows = part.inputs["n"]
        assert part.inputs["x"].dtype == np.float32 and part.inputs["x"].shape == (len(part), 3)
        assert np.array_equal(part.inputs["x"][:, 0], a[rows].astype(np.float32))
        assert np.array_equal(part.inputs["picture"].reshape(-1, 6), pictures[rows])
        assert part.inputs["picture"].shape[1:] == (1, 2, 3)
        assert [opened.classes[t] for t in part.targets] == words[rows].tolist()
        assert not any(array.flags.owndata or array.flags.writeable for array in part.inputs.values())
        for name, count in zip(*np.unique(words, return_counts=True), strict=True):
            mine = (part.targets == opened.classes.index(name)).sum()
            assert abs(mine - count * len(part) / 1000) < 3


def test_a_split_over_it_works_unchanged(table):
    opened = open_table(table[0], inputs=INPUTS, target="word")
    again = open_table(table[0], inputs=INPUTS, target="word")
    assert [part.fingerprint() for part in opened.parts] == [part.fingerprint() for part in again.parts]
    batches = list(opened.parts[0].shuffled(64, seed=0, epoch=0, workers=2))
    assert sorted(torch.cat([b.inputs["n"] for b in batches]).tolist()) == sorted(opened.parts[0].inputs["n"].tolist())
    other = open_table(table[0], inputs=INPUTS, target="word", seed=1)
    assert not np.array_equal(other.parts[0].inputs["n"], opened.parts[0].inputs["n"])


def test_the_cache_is_plain_arrow_and_follows_the_file(table, tmp_path):
    path, whole = table
    open_table(path, inputs={"x": ["a"]}, target="b", shares=(1.0,))
    (file,) = (tmp_path / "cache" / "tables").glob("*/0.arrow")
    assert pa.ipc.open_file(str(file)).get_batch(0).num_rows == 1000
    pq.write_table(whole.slice(0, 500), path)
    assert len(open_table(path, inputs={"x": ["a"]}, target="b", shares=(1.0,)).parts[0]) == 500


def test_a_damaged_row_group_is_named(table):
    path, _ = table
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"rows\.parquet, row group 1 of 4"):
        open_table(path, inputs={"x": ["a"]}, target="b")


def test_bad_cells_and_columns_are_named(table):
    path, whole = table
    with pytest.raises(BadData, match="no column 'c'"):
        open_table(path, inputs={"x": ["c"]}, target="b")
    with pytest.raises(BadData, match="type string"):
        open_table(path, inputs={"x": ["word"]}, target="b")
    holes = pa.array([1.0] * 720 + [None] + [1.0] * 279)
    pq.write_table(whole.append_column("holes", holes), path)
    with pytest.raises(BadData, match="'holes', row 720"):
        open_table(path, inputs={"x": ["holes"]}, target="b")


@pytest.mark.parametrize("size", [1, 3, 8])
def test_truth_values_stay_truth_values(table, size):
    path, whole = table
    flat = np.random.default_rng(1).random(1000 * size) < 0.4
    truths = pa.array(flat) if size == 1 else pa.FixedSizeListArray.from_arrays(pa.array(flat), size)
    pq.write_table(whole.append_column("truths", truths), path)
    inputs = {"truths": ["truths"], "n": ["number"], "both": ["a", "b"]}
    for _ in range(2):  # written, then from the cache
        for part in open_table(path, inputs=inputs, target="word").parts:
            found = part.inputs["truths"]
            assert found.dtype == np.bool_ and not found.flags.owndata
            assert np.array_equal(found.reshape(-1, size), flat.reshape(-1, size)[part.inputs["n"]])


def test_truth_values_among_several_columns_are_numbers(table):
    path, whole = table
    truths = np.arange(1000) % 3 == 0
    pq.write_table(whole.append_column("truths", pa.array(truths)), path)
    (part,) = open_table(path, inputs={"x": ["number", "truths"]}, target="truths", shares=(1.0,)).parts
    assert part.inputs["x"].dtype == np.float32 and part.inputs["x"][:, 1].tolist() == truths.tolist()
    assert part.targets.tolist() == truths.astype(int).tolist()


@pytest.mark.slow
def test_a_table_larger_than_memory(tmp_path):
    """400 MB of rows are written and trained on by a process that may have 250 MB more than it starts with."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from burnish.data.tables.mapped import open_table
path = Path(sys.argv[1]) / "rows.parquet"
schema = pa.schema([("x", pa.list_(pa.float32(), 500)), ("y", pa.int64())])
rng = np.random.default_rng(0)
with pq.ParquetWriter(path, schema) as writer:
    for _ in range(20):
        flat = pa.array(rng.normal(size=10_000 * 500).astype(np.float32))
        x = pa.FixedSizeListArray.from_arrays(flat, 500)
        writer.write_table(pa.table({"x": x, "y": rng.integers(0, 2, 10_000)}, schema=schema))
held = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")][0]
resource.setrlimit(resource.RLIMIT_DATA, ((held + 250_000) * 1024,) * 2)
part = open_table(path, inputs={"x": ["x"]}, target="y", shares=(1.0,)).parts[0]
print(sum(len(batch.rows) for batch in part.shuffled(512, seed=0, epoch=0)))
"""
    assert output_of(code, tmp_path) == "200000"
