"""Changed architectures as data: what differs from the original module, and how to replay it.

A `resize` record holds, for every submodule that surgery touched, the plain attributes that
changed (channels, features, heads ...) and the new shape of each parameter and buffer. Replaying
it on the original architecture gives empty tensors of the right shapes, ready for the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from burnish.core.errors import ArtifactError
from burnish.core.manifest import Record

Shapes = dict[str, list[int]]
_PLAIN = (bool, int, float, str)


def snapshot(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Plain attributes and tensor shapes of every submodule, by path ("" is the root)."""
    return {name: _plain(part) | {"": _shapes(part)} for name, part in module.named_modules()}


def resize_record(before: dict[str, dict[str, Any]], module: nn.Module) -> Record:
    """What changed in `module` since `before = snapshot(module)`."""
    data: dict[str, Any] = {}
    for name, now in snapshot(module).items():
        old = before[name]
        changed = {key: value for key, value in now.items() if key and old.get(key) != value}
        shapes = {key: shape for key, shape in now[""].items() if old[""].get(key) != shape}
        if changed or shapes:
            data[name] = {"set": changed, "shapes": shapes}
    return Record(kind="resize", data=data)


def replay_resize(module: nn.Module, record: Record) -> nn.Module:
    """Give `module` the attributes and tensor shapes of the record, in place; values are zero.

    Raises `ArtifactError` when the module has no such part: the source code has changed since.
    """
    parts = dict(module.named_modules())
    for name, change in record.data.items():
        if name not in parts:
            raise ArtifactError(
                "the architecture differs from the recorded one",
                where=name,
                help="use the version of the model's code that the artifact was made with",
            )
        part = parts[name]
        for key, value in change["set"].items():
            setattr(part, key, tuple(value) if isinstance(value, list) else value)
        for key, shape in change["shapes"].items():
            _replace(part, key, shape)
    return module


def _replace(part: nn.Module, key: str, shape: list[int]) -> None:
    if key in part._parameters:
        old = part._parameters[key]
        dtype = old.dtype if old is not None else torch.float32
        part._parameters[key] = nn.Parameter(torch.zeros(shape, dtype=dtype))
    elif key in part._buffers:
        buffer = part._buffers[key]
        part._buffers[key] = torch.zeros(shape, dtype=buffer.dtype if buffer is not None else torch.float32)
    else:
        raise ArtifactError("the architecture differs from the recorded one", where=key)


def _plain(part: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in vars(part).items():
        if key.startswith("_") or key == "training":
            continue
        if isinstance(value, _PLAIN):
            found[key] = value
        elif isinstance(value, tuple) and all(isinstance(item, int) for item in value):
            found[key] = list(value)
    return found


def _shapes(part: nn.Module) -> Shapes:
    tensors = {**part._parameters, **part._buffers}
    return {name: list(tensor.shape) for name, tensor in tensors.items() if tensor is not None}
