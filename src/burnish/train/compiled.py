"""The model of a training through torch.compile: fused kernels for forward and backward pass, made at the first step.

Only what wants gradients is compiled: validation runs the module as it is. The number of rows may change from batch to
batch without another compilation. Source: Ansel et al., "PyTorch 2" (ASPLOS 2024).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported

_FORMS = 64
"""How often one function may be compiled, for other shapes or layers; beyond that it would silently run as it is."""


@contextlib.contextmanager
def compiled(work: nn.Module) -> Iterator[None]:
    """Within the block `work` is compiled where it is called for gradients; its parameters keep their names.

    Raises `Unsupported` where the compiler fails or does not come to an end.
    """
    from torch import _dynamo as dynamo  # slow to load

    own = vars(work).get("forward")
    plain = work.forward
    work.forward = partial(_run, plain, torch.compile(plain))
    try:
        with dynamo.config.patch(recompile_limit=_FORMS, fail_on_recompile_limit_hit=True):
            yield
    except dynamo.exc.FailOnRecompileLimitHit as error:
        raise _refused(f"it is compiled anew again and again: {_first_lines(error)}") from error
    except dynamo.exc.TorchDynamoException as error:
        raise _refused(_first_lines(error)) from error
    finally:
        del work.forward
        if own is not None:
            work.forward = own
        torch.compiler.reset()


def _run(plain: Callable[..., Any], fast: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return plain(*args, **kwargs)
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor) and value.dim():
            torch._dynamo.maybe_mark_dynamic(value, 0)
    return fast(*args, **kwargs)


def _refused(why: str) -> Unsupported:
    return Unsupported(
        "the model cannot be compiled while it trains", where="compile", why=why, help="set compile to false"
    )


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300]
