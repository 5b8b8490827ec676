"""Burnish makes a PyTorch model that works fast, small and cheap to serve, and proves it.

    import burnish

    result = burnish.optimize(model, train=(x, y), test=(x2, y2), budget="accuracy>=-1pt")
    fast = result.load()
    fast(x2[:1])

`burnish.load(path)` opens an artifact. Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api import Optimized, optimize
    from burnish.artifact.load import Model, load, verify

__all__ = ["Model", "Optimized", "load", "optimize", "verify"]

_HOMES = {
    "optimize": "burnish.api",
    "Optimized": "burnish.api",
    "load": "burnish.artifact.load",
    "verify": "burnish.artifact.load",
    "Model": "burnish.artifact.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
