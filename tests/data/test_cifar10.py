import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from burnish.core.errors import MissingData
from burnish.data.cifar10 import load_cifar10


def test_reads_both_parts_or_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BURNISH_CIFAR10", raising=False)
    with pytest.raises(MissingData, match="export BURNISH_CIFAR10"):
        load_cifar10()
    with pytest.raises(MissingData, match=r"missing: train\.parquet, test\.parquet"):
        load_cifar10(tmp_path)
    stream = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(stream, "JPEG")
    for name, rows in (("train", 3), ("test", 2)):
        pq.write_table(
            pa.table({"image": [stream.getvalue()] * rows, "label": range(rows)}), tmp_path / f"{name}.parquet"
        )
    train, test = load_cifar10(tmp_path)
    assert train.pixels.shape == (3, 3, 32, 32) and test.labels.tolist() == [0, 1]
