import numpy as np
import pytest
import torch

from burnish.backends.torch_module import TorchExecutable, use_threads
from burnish.core.errors import BurnishError
from burnish.core.signature import Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 2)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 2)),),
)


def test_runs_without_gradients_and_with_its_threads():
    seen = []

    def run(x):
        seen.append((torch.is_grad_enabled(), torch.get_num_threads()))
        return (x.mul_(2),)

    x = np.ones((1, 2), np.float32)
    found = TorchExecutable(run, SIGNATURE, threads=1, backend="eager")({"x": x})
    assert seen == [(False, 1)]
    assert found["y"].tolist() == [[2, 2]]
    assert x.tolist() == [[1, 1]]


def test_the_thread_count_is_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_closed_means_closed():
    executable = TorchExecutable(lambda x: (x,), SIGNATURE, threads=1, backend="eager")
    executable.close()
    executable.close()
    with pytest.raises(BurnishError, match="closed"):
        executable({"x": np.ones((1, 2), np.float32)})


def test_a_failing_call_names_the_shapes():
    def run(x):
        return (x.reshape(7, 3),)

    executable = TorchExecutable(run, SIGNATURE, threads=1, backend="eager")
    with pytest.raises(BurnishError, match=r"failed on these inputs \(x \(1, 2\)\)") as caught:
        executable({"x": np.ones((1, 2), np.float32)})
    assert "RuntimeError" in caught.value.why
