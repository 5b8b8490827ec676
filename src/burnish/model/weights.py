"""Tensors on disk: the only file that knows safetensors. Never pickle.

One tensor under several names (tied weights) is written once; the other names are remembered in
the file's metadata and point to the same tensor again after loading. Files are written whole or
not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from burnish.core.errors import ArtifactError, Unsupported
from burnish.core.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

_ALIASES = "burnish.aliases"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Copies of tensors in the processor's memory, ready to be written, with texts beside them."""

    tensors: Mapping[str, Tensor]
    texts: Mapping[str, str]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors of any shape and dtype, with texts beside them. Raises `OutputError`."""
    save_packed(path, pack(tensors, metadata))


def save_packed(path: Path, packed: Packed) -> None:
    """Write what `pack` copied. Raises `OutputError`."""
    from safetensors.torch import save

    write_bytes(path, save(dict(packed.tensors), dict(packed.texts) or None))


def pack(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Packed:
    """Copy tensors as they are now: what happens to them later is not written."""
    import torch

    firsts: dict[object, str] = {}
    aliases: dict[str, str] = {}
    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        first = firsts.setdefault(_identity(name, tensor), name)
        if first == name:
            kept[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        else:
            aliases[name] = first
    head = dict(metadata or {})
    if aliases:
        head[_ALIASES] = json.dumps(aliases)
    return Packed(tensors=kept, texts=head)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file, on the CPU. Raises `ArtifactError` when it is missing or damaged."""
    return _read(path, "pt")


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The same as NumPy arrays, without loading torch. NumPy has no bfloat16: such a file is damaged here."""
    return _read(path, "np")


def load_metadata(path: Path) -> dict[str, str]:
    """The texts written beside the tensors. Raises `ArtifactError`."""
    with _open(path) as file:
        metadata = dict(file.metadata() or {})
    metadata.pop(_ALIASES, None)
    return metadata


def save_state(module: nn.Module, path: Path) -> None:
    """Write parameters and buffers. Raises `Unsupported` on state that is no tensor, `OutputError`."""
    save_tensors(path, state(module))


def load_state(module: nn.Module, path: Path, *, strict: bool = True) -> None:
    """Read parameters and buffers into `module`, in place.

    With `strict` every name must match. Raises `ArtifactError` naming the tensors that do not.
    """
    try:
        module.load_state_dict(load_tensors(path), strict=strict)
    except RuntimeError as error:
        raise ArtifactError(
            "the weights do not fit the model", where=str(path), why=str(error), help="use the model they came from"
        ) from None


def state(module: nn.Module) -> dict[str, Tensor]:
    """The module's state dict, detached, sharing memory with it. Raises `Unsupported`."""
    from torch import Tensor

    found: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        if not isinstance(value, Tensor):
            raise Unsupported(
                "the model keeps state that is not a tensor",
                where=name,
                why=f"it is a {type(value).__name__}, which could only be pickled",
                help="register it as a buffer",
            )
        found[name] = value.detach()
    return found


def _identity(name: str, tensor: Tensor) -> object:
    if tensor.numel() == 0:
        return name
    storage = tensor.untyped_storage().data_ptr()
    return (storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)


def _open(path: Path, framework: str = "np") -> safe_open:
    try:
        return safe_open(str(path), framework=framework, device="cpu")
    except FileNotFoundError:
        raise ArtifactError("the weights file is missing", where=str(path)) from None
    except (SafetensorError, OSError) as error:
        raise ArtifactError("the weights file is damaged", where=str(path), why=str(error)) from None


def _read(path: Path, framework: str) -> dict[str, Any]:
    with _open(path, framework) as file:
        found: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        aliases = json.loads((file.metadata() or {}).get(_ALIASES, "{}"))
    return found | {name: found[first] for name, first in aliases.items()}
