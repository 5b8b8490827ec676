from pathlib import Path

import numpy as np
import pytest

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
