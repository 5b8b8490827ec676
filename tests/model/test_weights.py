import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.core.errors import ArtifactError, Unsupported
from burnish.model.weights import load_metadata, load_state, load_tensors, save_state, save_tensors


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 50)
        self.norm = nn.BatchNorm1d(8)
        self.head.weight = self.embed.weight


def test_tied_weights_are_written_once_and_stay_tied(tmp_path):
    module, other = Tied(), Tied()
    path = tmp_path / "state.safetensors"
    save_state(module, path)
    assert path.stat().st_size < 2 * 50 * 8 * 4
    load_state(other, path)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    assert other.head.weight is other.embed.weight
    loaded = load_tensors(path)
    assert loaded["head.weight"] is loaded["embed.weight"]


DTYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.int8, torch.bool, torch.float16])


@settings(max_examples=30)
@given(shape=st.lists(st.integers(0, 4), max_size=3), dtype=DTYPES)
def test_any_shape_and_dtype_survives(tmp_path_factory, shape, dtype):
    tensor = (torch.randn(shape) * 3).to(dtype)
    path = tmp_path_factory.mktemp("w") / "t.safetensors"
    save_tensors(path, {"a": tensor, "b": tensor.T if tensor.ndim == 2 else tensor}, {"who": "me"})
    back = load_tensors(path)
    assert torch.equal(back["a"], tensor) and back["a"].dtype == dtype
    assert torch.equal(back["b"], tensor.T if tensor.ndim == 2 else tensor)
    assert load_metadata(path) == {"who": "me"}


def test_views_of_one_storage_are_written_apart(tmp_path):
    base = torch.arange(6.0)
    save_tensors(tmp_path / "v", {"head": base[:3], "tail": base[3:]})
    back = load_tensors(tmp_path / "v")
    assert torch.equal(back["tail"], base[3:]) and torch.equal(back["head"], base[:3])


def test_faults_are_named(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(ArtifactError, match="missing"):
        load_tensors(path)
    path.write_bytes(b"\x00" * 20)
    with pytest.raises(ArtifactError, match="damaged"):
        load_tensors(path)
    save_state(nn.Linear(2, 2), path)
    with pytest.raises(ArtifactError, match="do not fit"):
        load_state(nn.Linear(3, 2), path)
    with pytest.raises(ArtifactError, match="do not fit"):
        load_state(nn.Linear(2, 2, bias=False), path)
    load_state(nn.Linear(2, 2, bias=False), path, strict=False)


class Odd(nn.Linear):
    def get_extra_state(self):
        return {"not": "a tensor"}

    def set_extra_state(self, state):
        pass


def test_state_that_is_no_tensor_is_refused(tmp_path):
    with pytest.raises(Unsupported, match="not a tensor"):
        save_state(Odd(2, 2), tmp_path / "s")
