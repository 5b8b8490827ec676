"""What a module must be like before fake-quantize nodes can be hooked into it."""

from __future__ import annotations

import copy
from types import MethodType

from torch import Tensor, nn


def hookable(module: nn.Module) -> nn.Module:
    """The module; where it is an `nn.Sequential`, a copy that calls its own children only.

    NNCF keeps its nodes in a child of the model, and `nn.Sequential` calls every child.
    """
    if type(module).forward is not nn.Sequential.forward:
        return module
    children = list(module._modules)

    def forward(self: nn.Module, input: Tensor) -> Tensor:
        for name in children:
            input = self.get_submodule(name)(input)  # noqa: A001
        return input

    copied = copy.deepcopy(module)
    copied.forward = MethodType(forward, copied)
    return copied


def unfit(module: nn.Module) -> list[str]:
    """Transposed convolutions with one output channel: NNCF's nodes for them cannot be exported."""
    kinds = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return [name for name, part in module.named_modules() if isinstance(part, kinds) and part.weight.shape[1] == 1]
