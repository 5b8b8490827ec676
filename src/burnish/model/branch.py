"""Residual branches that are gone: their last layer gives a constant instead.

x + f(x) becomes x + c, with c the mean of f(x) per channel. The layers inside f are cut to one
channel; compilers drop them, since nobody reads them any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from burnish.core.errors import ArtifactError
from burnish.core.manifest import Record


class Constant(nn.Module):
    """Stands where a layer stood: gives `value`, of a shape that is broadcast over rows and places."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(value)

    def forward(self, x: Tensor) -> Tensor:
        """The input counts for nothing but its dtype."""
        return self.value.to(x.dtype)


def replace_branch(module: nn.Module, last: str, norm: str, value: Tensor) -> None:
    """Put a constant in the place of the layer `last`, and nothing in that of `norm` ("" is none) behind it."""
    module.set_submodule(last, Constant(value))
    if norm:
        module.set_submodule(norm, nn.Identity())


def branch_record(module: nn.Module, norms: Mapping[str, str]) -> Record:
    """The branches of `module` that are gone: path of each last layer -> path of the norm behind it."""
    rows: Sequence[dict[str, object]] = [
        {"last": last, "norm": norm, "shape": list(module.get_submodule(last).get_parameter("value").shape)}
        for last, norm in norms.items()
    ]
    return Record(kind="branches", data={"gone": rows})


def replay_branches(module: nn.Module, record: Record) -> nn.Module:
    """Take the recorded branches out, in place; values are zero until the weights are loaded.

    Raises `ArtifactError` when the module has no such part.
    """
    for row in record.data["gone"]:
        try:
            replace_branch(module, row["last"], row["norm"], torch.zeros(row["shape"]))
        except AttributeError as error:
            raise ArtifactError(
                "the architecture differs from the recorded one",
                where=row["last"],
                help="use the version of the model's code that the artifact was made with",
            ) from error
    return module
