import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import BadData, MissingData
from burnish.data.idx import read_idx

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array, code):
    sizes = np.array(array.shape, ">i4").tobytes()
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


@settings(max_examples=30)
@given(
    dtype=st.sampled_from(sorted(CODES)), shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), zip=st.booleans()
)
def test_reads_every_type(tmp_path_factory, dtype, shape, zip):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    raw = idx_bytes(array, CODES[dtype])
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(raw) if zip else raw)
    back = read_idx(path)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(back, array)


def test_faults_are_named(tmp_path):
    good = idx_bytes(np.zeros((2, 3), "u1"), 0x08)
    path = tmp_path / "file"
    with pytest.raises(MissingData):
        read_idx(path)
    for raw, match in [
        (good[:-1], "cut short"),
        (good + b"x", "too long"),
        (good[:6], "cut short"),
        (b"hello world", "no IDX file"),
        (b"", "no IDX file"),
        (gzip.compress(good)[:-4], "gzip file is damaged"),
    ]:
        path.write_bytes(raw)
        with pytest.raises(BadData, match=match):
            read_idx(path)
