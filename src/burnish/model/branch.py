"""Residual branches that are gone: their last layer gives a constant instead.

x + f(x) becomes x + c, with c the mean of f(x) per channel. The layers inside f are cut to one
channel; compilers drop them, since nobody reads them any more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from burnish.core.errors import ArtifactError
from burnish.core.manifest import Record


class Constant(nn.Module):
    """Stands where a layer stood: gives `value` [C] or [1, C, 1, 1], to be broadcast over rows and places.

    `spread` gives a tensor of the full size instead, for code that writes into it (`y += x`).
    """

    def __init__(self, value: Tensor, spread: bool = False) -> None:
        super().__init__()
        self.value = nn.Parameter(value)
        self.spread = spread

    def forward(self, x: Tensor) -> Tensor:
        """Of the input only dtype, rows and places count."""
        value = self.value.to(x.dtype)
        if not self.spread:
            return value
        sizes = list(x.shape)
        sizes[1 if value.dim() > 1 else -1] = value.numel()
        return value.expand(sizes).clone()


def replace_branch(module: nn.Module, last: str, norm: str, value: Tensor, spread: bool) -> None:
    """Put a constant in the place of the layer `last`, and nothing in that of `norm` ("" is none) behind it."""
    module.set_submodule(last, Constant(value, spread))
    if norm:
        module.set_submodule(norm, nn.Identity())


def branch_record(module: nn.Module, norms: Mapping[str, str]) -> Record:
    """The branches of `module` that are gone: path of each last layer -> path of the norm behind it."""
    rows = []
    for last, norm in norms.items():
        constant = module.get_submodule(last)
        if isinstance(constant, Constant):
            shape = list(constant.value.shape)
            rows.append({"last": last, "norm": norm, "shape": shape, "spread": constant.spread})
    return Record(kind="branches", data={"gone": rows})


def replay_branches(module: nn.Module, record: Record) -> nn.Module:
    """Take the recorded branches out, in place; values are zero until the weights are loaded.

    Raises `ArtifactError` when the module has no such part.
    """
    for row in record.data["gone"]:
        try:
            replace_branch(module, row["last"], row["norm"], torch.zeros(row["shape"]), row["spread"])
        except AttributeError as error:
            raise ArtifactError(
                "the architecture differs from the recorded one",
                where=row["last"],
                help="use the version of the model's code that the artifact was made with",
            ) from error
    return module
