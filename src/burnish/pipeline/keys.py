"""Content keys: what a stage's result depends on, in one digest.

A pass depends on what came before, its settings, the data, the seed, and on the source files that
its module reaches by imports inside this package. Editing a file changes the keys of the passes
that can reach it, and no others.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from burnish.core.doors import CRITERIA
from burnish.core.files import digest
from burnish.passes.base import Context, Pass
from burnish.train.settings import UNSEEN
from burnish.workloads.workload import Workload


def stage_key(parent: str, name: str, pass_: Pass, context: Context, later: Sequence[Pass] = ()) -> str:
    """Key of a stage: the parent's key, the pass with its settings and code, training, seed, budget,
    files that the settings name, and the form that `later` passes give to what is timed.

    Settings of training that do not change what comes out (but for rounding) are left out.
    """
    settings = json.dumps(pass_.model_dump(mode="json", exclude=pass_.unseen), sort_keys=True)
    criteria = (f"{CRITERIA.package}.{criterion.replace('-', '_')}" for criterion in CRITERIA.names())
    code = code_digest(type(pass_).__module__, *criteria)
    training = json.dumps(context.fit.model_dump(mode="json", exclude=UNSEEN), sort_keys=True)
    files = [path for path in (*pass_.files, Path(context.fit.weights or ".")) if path.is_file()]
    rest = [training, str(context.seed), *(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)]
    if pass_.measures:
        rest += [context.measured_on, f"{context.max_drop:.6f}"]
        rest += [other.previewed for other in later if other.previewed]
    return digest(parent, name, settings, code, *rest)


def start_key(workload: Workload, module: nn.Module, *more: str) -> str:
    """Key of what a run starts from: weights, structure, code of the workload, every row, and `more`."""
    weights = [
        tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        for _, tensor in sorted(module.state_dict().items())
        if tensor.numel()
    ]
    parts = (workload.loss, workload.train.prepare, workload.train.augment, type(module))
    code = code_digest(*sorted({name for part in parts if (name := _module_of(part))}))
    splits = (workload.train, workload.validation, workload.unlabelled)
    rows = [split.fingerprint() for split in splits if split is not None]
    return digest(workload.name, repr(module), torch.__version__, code, *rows, *more, *weights)


@functools.lru_cache(maxsize=256)
def code_digest(*modules: str) -> str:
    """Digest of the source of these modules and of all they import from this package."""
    files: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in files or path is None:
            continue
        files[name] = path
        waiting += [found for found in _imports(path) if found.startswith("burnish.")]
    return digest(*(part for name in sorted(files) for part in (name, files[name].read_text())))


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _source(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError, AttributeError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _module_of(part: Any) -> str:
    if part is None:
        return ""
    target = part.func if isinstance(part, functools.partial) else part
    if not inspect.isclass(target) and not inspect.isroutine(target):
        target = type(target)
    return str(target.__module__)
