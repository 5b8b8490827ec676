"""What exporting backends share: dynamic shapes, quiet third parties, errors that name the line.

torch.export runs the user's forward method on shapes that are symbols. What cannot be traced raises
from deep inside torch, with the user's own line somewhere in the traceback; `explain_trace` digs it
out.
"""

from __future__ import annotations

import contextlib
import linecache
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.jit._trace import TracerWarning
from torch.overrides import TorchFunctionMode

from burnish.core.errors import Unsupported
from burnish.core.signature import Signature
from burnish.model.variant import MODEL_ERRORS, Program

"""What tracing a user's forward method may raise; torch's own errors are RuntimeErrors."""

_PRIVATE = tuple(str(Path(file).parent) for file in (torch.__file__, __file__, contextlib.__file__))
_NOISY = ("torch.export", "torch.onnx", "torch._dynamo", "torch.fx", "root")


def dynamic_shapes(signature: Signature) -> dict[str, dict[int, object]]:
    """For torch.export: the free dimensions of every input, by index.

    `Dim.DYNAMIC` lets the exporter find bounds and relations between dimensions on its own, but
    fails when a dimension would be frozen to the size of the example.
    """
    return {
        spec.name: {i: Dim.DYNAMIC for i, dim in enumerate(spec.shape) if isinstance(dim, str)}
        for spec in signature.inputs
    }


def dynamic_axes(signature: Signature) -> dict[str, dict[int, str]]:
    """For the older ONNX exporter: the free dimensions of inputs and outputs, by index and word."""
    specs = (*signature.inputs, *signature.outputs)
    return {spec.name: {i: dim for i, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in specs}


def module_of(program: Program, backend: str) -> nn.Module:
    """The program's module, put into evaluation mode. Raises `Unsupported` for an ONNX file."""
    if program.module is None:
        raise Unsupported(
            f"the backend {backend!r} needs a PyTorch module, not an ONNX file",
            help="use the onnxruntime or the openvino backend",
        )
    return program.module.eval()


def export(program: Program, backend: str) -> ExportedProgram:
    """The program's module as an ATen graph whose free dimensions stay free.

    Raises `Unsupported` with the module and the source line that cannot be traced.
    """
    module = module_of(program, backend)
    with quiet(), explain_trace(module, backend), torch.no_grad():
        return torch.export.export(
            module, (), kwargs=dict(program.examples), dynamic_shapes=dynamic_shapes(program.signature)
        )


class FourDimensionalAttention(TorchFunctionMode):
    """Gives scaled_dot_product_attention a head dimension where the user's call has none.

    The ONNX exporter knows it with four dimensions only; [B, L, E] becomes [B, 1, L, E] and back.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Every torch function that is called inside the mode comes by here."""
        del types
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return _attend(*args, **kwargs)
        return func(*args, **kwargs)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *rest: Any, **kw: Any
) -> Tensor:
    attend = F.scaled_dot_product_attention
    if query.dim() != 3:
        return attend(query, key, value, attn_mask, *rest, **kw)
    if attn_mask is not None and attn_mask.dim() == 3:
        attn_mask = attn_mask.unsqueeze(1)
    return attend(query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), attn_mask, *rest, **kw).squeeze(1)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hush the warnings and log lines that exporters emit about themselves."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def explain_trace(module: nn.Module, backend: str, errors: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn an exporter's error into `Unsupported` that names the user's module and line.

    `errors` are further exception classes that this exporter raises.
    """
    try:
        yield
    except MODEL_ERRORS + errors as error:
        where, line = _blame(error, module)
        reason = str(error).strip().splitlines()
        raise Unsupported(
            f"the backend {backend!r} cannot trace this model",
            where=where,
            why=(f"`{line}`: " if line else "") + (reason[0][:300] if reason else type(error).__name__),
            help="use tensor operations whose shapes follow from the inputs, or leave out this backend",
        ) from error


def _blame(error: BaseException, module: nn.Module) -> tuple[str, str]:
    """The deepest frame of the user's code: "module name (class), file:line", and the line's text."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for link in reversed(chain):
        frames = [(f, n) for f, n in traceback.walk_tb(link.__traceback__) if _is_user(f)]
        if frames:
            frame, number = frames[-1]
            file = frame.f_code.co_filename
            owner = _owner([f for f, _ in frames], module)
            return f"{owner}, {file}:{number}", linecache.getline(file, number).strip()
    return type(module).__name__, ""


def _is_user(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith(_PRIVATE) and not file.startswith("<") and _module_in(frame) is not None


def _module_in(frame: FrameType) -> nn.Module | None:
    owner = frame.f_locals.get("self")
    return owner if isinstance(owner, nn.Module) else None


def _owner(frames: Sequence[FrameType], root: nn.Module) -> str:
    names = {id(child): name for name, child in root.named_modules()}
    owner = _module_in(frames[-1])
    name = names.get(id(owner), "")
    kind = type(owner).__name__
    return f"{name} ({kind})" if name else kind
