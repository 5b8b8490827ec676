"""The live model on its way through the passes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.manifest import Record
from burnish.core.signature import Signature
from burnish.model.onnx_graph import OnnxGraph

MODEL_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError, ArithmeticError)
"""What a model's own code raises when it is run or traced in a way that it was not written for."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A module, and the records that lead from the original architecture to it.

    `module(**inputs)` takes one tensor per input of the signature, by name, batch first, and
    returns a tensor or a tuple of tensors. `precision` is "fp32", or "int8" once fake-quantize
    nodes are in.
    """

    module: nn.Module
    records: tuple[Record, ...] = ()
    precision: str = "fp32"

    def copy(self) -> Variant:
        """A variant whose module shares nothing with this one."""
        return replace(self, module=copy.deepcopy(self.module))

    def program(self, signature: Signature, examples: Mapping[str, Tensor]) -> Program:
        """What a backend compiles, in evaluation mode."""
        if isinstance(self.module, OnnxGraph):
            return Program(
                signature=signature, examples=examples, onnx_bytes=self.module.data, precision=self.precision
            )
        return Program(signature=signature, examples=examples, module=self.module.eval(), precision=self.precision)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a backend compiles: a module (or an ONNX file), example inputs and the signature.

    `examples` maps input names to tensors with batch size >= 2. Exactly one of `module` and
    `onnx_bytes` is set.
    """

    signature: Signature
    examples: Mapping[str, Tensor]
    module: nn.Module | None = None
    onnx_bytes: bytes | None = None
    precision: str = "fp32"


def call(module: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Run the module on named inputs; outputs always as a tuple of tensors.

    Raises `Unsupported` when the module returns anything else.
    """
    return as_tuple(module(**inputs), module)


def as_tuple(outputs: object, module: nn.Module) -> tuple[Tensor, ...]:
    """One tensor, or a sequence of tensors, as a tuple. Raises `Unsupported` on anything else."""
    if isinstance(outputs, Tensor):
        return (outputs,)
    if isinstance(outputs, Sequence) and all(isinstance(item, Tensor) for item in outputs):
        return tuple(outputs)
    raise Unsupported(
        f"the model returns {type(outputs).__name__}",
        where=type(module).__name__,
        help="wrap it in a module whose forward returns a tensor or a tuple of tensors",
    )


@torch.no_grad()
def predict(module: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Outputs in evaluation mode, without gradients; the module's mode is put back."""
    training = module.training
    module.eval()
    try:
        return call(module, inputs)
    finally:
        module.train(training)
