from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from burnish.backends.export import quiet
from burnish.core.errors import ArtifactError, BadData, MissingData, RecipeError, Unsupported
from burnish.measure.quality import predict_module
from burnish.workloads.from_onnx import from_onnx
from burnish.workloads.registry import get
from tests import onnx_files, tiny


def test_it_computes_what_the_module_did(tmp_path):
    work = onnx_files.workload(tmp_path)
    wanted = predict_module(tiny.trained().module, work.test)
    assert np.allclose(predict_module(work.build(), work.test), wanted, atol=1e-5)
    assert work.metric.compute(wanted, work.test.targets) > 0.9
    assert [spec.shape for spec in work.signature.inputs] == [("batch", 3, 12, 12)]
    assert work.signature.outputs[0].shape[0] == "batch"
    assert work.trained and work.labels == tuple("01234")


def test_the_three_splits_share_no_row(tmp_path):
    work = onnx_files.workload(tmp_path)
    parts = [work.train, work.validation, work.test]
    rows = [{row.tobytes() for row in part.inputs["image"]} for part in parts]
    assert sum(map(len, rows)) == 600 == len(set().union(*rows))


def test_a_fixed_batch_size_is_set_free(tmp_path):
    model, data = onnx_files.write(tmp_path, fixed_batch=1)
    work = get(str(model), data=str(data))
    assert predict_module(work.build(), work.test).shape == (len(work.test), 5)


def test_settings_are_checked(tmp_path):
    model, data = onnx_files.write(tmp_path)
    assert get(str(model), data=str(data), metric="f1", batch=4).served[0].batch == 4
    with pytest.raises(RecipeError, match=r"needs the setting 'data'\nhelp: give --data PATH"):
        get(str(model))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"target": None}, "no array 'target'"),
        ({"image": None, "imag": np.zeros((600, 3, 12, 12), np.float32)}, "did you mean 'imag'"),
        ({"image": np.zeros((600, 3, 12, 12), np.int64)}, r"astype\('float32'\)"),
        ({"target": np.zeros(7, np.int64)}, "600 rows of 'image' but 7 targets"),
        ({"target": np.int64(3)}, "single number"),
        ({"image": np.zeros((9, 3, 12, 12), np.float32), "target": np.arange(9) % 5}, "at least 20"),
    ],
)
def test_data_that_does_not_fit_is_named(tmp_path, arrays, message):
    model, data = onnx_files.write(tmp_path, **arrays)
    with pytest.raises(BadData, match=message):
        from_onnx(model, data=str(data))


def test_rows_of_another_shape(tmp_path):
    model, data = onnx_files.write(tmp_path, image=np.zeros((600, 3, 10, 12), np.float32))
    with pytest.raises(Unsupported, match="does not run on two rows"):
        from_onnx(model, data=str(data))


def test_files_that_are_something_else(tmp_path: Path):
    model, data = onnx_files.write(tmp_path)
    with pytest.raises(MissingData):
        from_onnx(tmp_path / "other.onnx", data=str(data))
    with pytest.raises(MissingData):
        from_onnx(model, data=str(tmp_path / "other.npz"))
    with pytest.raises(BadData, match=r"no \.npz file"):
        from_onnx(model, data=str(model))
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises((Unsupported, ArtifactError)):
        from_onnx(tmp_path / "text.onnx", data=str(data))


def table_of(folder, **columns):
    """The rows of `rows.npz` as a table whose column `image` has lists of fixed length."""
    model, data = onnx_files.write(folder)
    with np.load(data) as arrays:
        images, targets = arrays["image"], arrays["target"]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(images.reshape(-1)), images[0].size)
    fields = [pa.field("image", flat.type, metadata={"shape": "3,12,12"}), pa.field("target", pa.int64())]
    whole = pa.table({"image": flat, "target": targets}, schema=pa.schema(fields))
    for name, values in columns.items():
        whole = whole.set_column(whole.column_names.index(name), name, values)
    pq.write_table(whole, folder / "rows.parquet")
    return model, data, folder / "rows.parquet"


def test_rows_of_a_table_are_mapped_and_those_of_the_arrays(tmp_path):
    model, data, table = table_of(tmp_path)
    arrays, mapped = (get(str(model), data=str(path)) for path in (data, table))
    assert mapped.labels == arrays.labels
    for name in ("train", "validation", "test"):
        one, other = getattr(arrays, name), getattr(mapped, name)
        assert not other.inputs["image"].flags.owndata
        assert one.fingerprint() == other.fingerprint()
    assert mapped.signature == arrays.signature


def test_one_input_may_be_all_columns_but_the_target(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3)).eval()
    with quiet():
        torch.onnx.export(
            module, (torch.randn(2, 4),), tmp_path / "m.onnx", dynamo=False, opset_version=18,
            input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch"}},
        )  # fmt: skip
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=60) for name in "abcd"} | {"label": rng.integers(0, 3, 60)}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    work = get(str(tmp_path / "m.onnx"), data=str(tmp_path / "rows.parquet"), target="label")
    assert work.train.batch(np.arange(3)).inputs["x"].shape == (3, 4)
    assert np.isin(work.train.inputs["x"][:, 1], columns["b"].astype(np.float32)).all()
    pq.write_table(pa.table({**columns, "more": np.zeros(60)}), tmp_path / "more.parquet")
    with pytest.raises(Unsupported, match="does not run on two rows"):
        get(str(tmp_path / "m.onnx"), data=str(tmp_path / "more.parquet"), target="label")


def test_whole_numbers_of_another_size_are_cast_in_every_batch(tmp_path):
    class Table(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = torch.nn.Embedding(9, 3)

        def forward(self, ids):
            return self.rows(ids).mean(1)

    with quiet():
        torch.onnx.export(
            Table().eval(), (torch.ones(2, 5, dtype=torch.int64),), tmp_path / "m.onnx", dynamo=False,
            opset_version=18, input_names=["ids"], output_names=["y"], dynamic_axes={"ids": {0: "batch"}},
        )  # fmt: skip
    rng = np.random.default_rng(0)
    ids = pa.FixedSizeListArray.from_arrays(pa.array(rng.integers(0, 9, 300).astype(np.int16)), 5)
    pq.write_table(pa.table({"ids": ids, "target": rng.integers(0, 3, 60)}), tmp_path / "rows.parquet")
    work = get(str(tmp_path / "m.onnx"), data=str(tmp_path / "rows.parquet"))
    assert work.train.inputs["ids"].dtype == np.int16
    assert work.train.batch(np.arange(2)).inputs["ids"].dtype == torch.int64
    assert predict_module(work.build(), work.test).shape == (len(work.test), 3)


def test_tables_that_do_not_fit_are_named(tmp_path):
    model, _, table = table_of(tmp_path, target=pa.array(["a", "b", "c"] * 200))
    with pytest.raises(BadData, match="write the number of each class"):
        get(str(model), data=str(table))
    with pytest.raises(BadData, match="no column 'label'"):
        get(str(model), data=str(table), target="label")
    whole = pq.read_table(table)
    pq.write_table(whole.slice(0, 12).set_column(1, "target", pa.array([0, 1] * 6)), table)
    with pytest.raises(BadData, match="at least 20"):
        get(str(model), data=str(table))
