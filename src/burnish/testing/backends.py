"""The contract of backends, and the two small networks it runs them on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.backends.backend import Backend, Executable
from burnish.backends.bundle import check_inputs, to_numpy
from burnish.core.errors import BadRequest, BurnishError
from burnish.core.signature import Signature, TensorSpec
from burnish.model.variant import Program, predict

Arrays = dict[str, NDArray[np.generic]]

_EXACT = 1e-3
_ROUNDED = 0.15


class TinyImages(nn.Module):
    """Convolutions with batch norm and a linear head: image [B, 3, 12, 12] -> [B, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()
        )
        self.head = nn.Linear(16, 5)

    def forward(self, image: Tensor) -> Tensor:
        """Class scores."""
        pooled: Tensor = self.features(image).mean((2, 3))
        scores: Tensor = self.head(pooled)
        return scores


class TinySequences(nn.Module):
    """Embedding and masked self-attention: ids and mask [B, L] -> ([B, 4], [B, L, 8])."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(32, 8)
        self.project = nn.Linear(8, 24)
        self.head = nn.Linear(8, 4)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the sequence, and one vector per token."""
        query, key, value = self.project(self.embedding(ids)).chunk(3, -1)
        allowed = (mask != 0)[:, None, :]
        tokens = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        weight = mask[:, :, None].to(tokens.dtype)
        return self.head((tokens * weight).sum(1) / weight.sum(1)), tokens


def image_signature() -> Signature:
    """The signature of `TinyImages`."""
    return Signature(
        inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, 12, 12)),),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=("batch", 5)),),
    )


def sequence_signature() -> Signature:
    """The signature of `TinySequences`."""
    words = ("batch", "length")
    return Signature(
        inputs=tuple(TensorSpec(name=name, dtype="int64", shape=words) for name in ("ids", "mask")),
        outputs=(
            TensorSpec(name="scores", dtype="float32", shape=("batch", 4)),
            TensorSpec(name="tokens", dtype="float32", shape=(*words, 8)),
        ),
    )


def image_inputs(batch: int, seed: int = 0) -> dict[str, Tensor]:
    """Random images."""
    return {"image": torch.randn(batch, 3, 12, 12, generator=torch.Generator().manual_seed(seed))}


def sequence_inputs(batch: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    """Random ids; the first sequence is masked after its first half."""
    ids = torch.randint(0, 32, (batch, length), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(ids)
    mask[0, (length + 1) // 2 :] = 0
    return {"ids": ids, "mask": mask}


def check_backend(backend: Backend, tmp_path: Path) -> None:
    """Hold a backend to its contract, in folders below `tmp_path`.

    It says whether it is available; the first of its fp32 choices agrees with the module to 1e-3 of
    the outputs' spread and the others to 0.15, at batch 1, an even and an odd one, at lengths that
    it was not shown, with two inputs and two outputs; it leaves inputs alone, names outputs as the
    signature does, survives a second close and refuses calls after it; what does not fit the
    signature is a `BadRequest`.
    """
    state = backend.available()
    if not state.ok:
        assert state.reason and state.help, "an unavailable backend gives a reason and a command"
        return
    torch.manual_seed(0)
    images, sequences = TinyImages().eval(), TinySequences().eval()
    choices = backend.choices("fp32") or ({},)
    for number, options in enumerate(choices):
        folder = tmp_path / f"images-{number}"
        cases = [image_inputs(batch, seed=batch) for batch in (1, 4, 3)]
        program = Program(signature=image_signature(), examples=image_inputs(2), module=images)
        _check(backend, program, folder, options, cases, _EXACT if number == 0 else _ROUNDED)
    cases = [sequence_inputs(batch, length) for batch, length in ((1, 5), (4, 16), (3, 17), (1, 1))]
    program = Program(signature=sequence_signature(), examples=sequence_inputs(2, 9), module=sequences)
    _check(backend, program, tmp_path / "sequences", choices[0], cases, _EXACT)


def _check(
    backend: Backend,
    program: Program,
    folder: Path,
    options: Mapping[str, Any],
    cases: list[dict[str, Tensor]],
    tolerance: float,
) -> None:
    folder.mkdir(parents=True)
    backend.build(program, folder, options)
    assert any(folder.iterdir()), "build writes at least one file"
    executable = backend.load(folder, options, signature=program.signature, threads=1)
    try:
        for tensors in cases:
            _check_case(backend, program, executable, tensors, tolerance)
        _check_refusals(program.signature, to_numpy(cases[0]))
    finally:
        executable.close()
    executable.close()
    try:
        executable(to_numpy(cases[0]))
    except BurnishError:
        pass
    else:
        raise AssertionError("a closed executable refuses calls with a BurnishError")
    coverage = backend.coverage(folder, options)
    assert coverage is None or coverage.ops, "coverage lists heavy operators, or is None"


def _check_case(
    backend: Backend, program: Program, executable: Executable, tensors: dict[str, Tensor], tolerance: float
) -> None:
    assert program.module is not None
    inputs = to_numpy(tensors)
    before = {name: array.copy() for name, array in inputs.items()}
    sizes = check_inputs(inputs, program.signature)
    found = executable(inputs)
    names = [spec.name for spec in program.signature.outputs]
    assert list(found) == names, f"outputs are named {names}, in this order"
    assert all(np.array_equal(before[name], inputs[name]) for name in inputs), "inputs are left as they were"
    wanted = predict(program.module, tensors)
    for spec, reference in zip(program.signature.outputs, wanted, strict=True):
        array = found[spec.name]
        assert array.shape == spec.resolve(**sizes), f"{spec.name} has the shape of the signature at {sizes}"
        assert array.dtype.name == spec.dtype, f"{spec.name} has the dtype of the signature"
        if not backend.pretends:
            expected = reference.numpy()
            error = float(np.abs(array.astype(np.float64) - expected).max() / (expected.std() + 1e-6))
            assert error < tolerance, f"{spec.name} agrees with the module at {sizes} (off by {error:.2g})"


def _check_refusals(signature: Signature, inputs: Arrays) -> None:
    name = next(iter(inputs))
    wrong: list[Arrays] = [
        {key: array for key, array in inputs.items() if key != name},
        inputs | {"surprise": inputs[name]},
        inputs | {name: inputs[name].astype(np.float64)},
        inputs | {name: inputs[name][None]},
    ]
    for bundle in wrong:
        try:
            check_inputs(bundle, signature)
        except BadRequest:
            continue
        raise AssertionError("inputs that do not fit the signature are a BadRequest")
