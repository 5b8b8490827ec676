"""The real `nn.Module` in torch, eager or compiled: in the main process and as a measuring worker.

What Burnish calls eager runs the exported graph; a user's baseline is the module itself. A folder
here holds `module.json` (workload, settings, seed) and `weights.safetensors`; the architecture is
built anew from the workload. Options: `mode` (eager, compile), `freezing`, `bf16` (autocast),
`layout` (as built, contiguous, channels_last).

`ModuleWorker` speaks the lines of `burnish.measure.worker`; `start_module_worker.py` starts it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.backends.backend import Arrays, Executable
from burnish.backends.bundle import name_outputs, to_torch
from burnish.core.signature import Signature
from burnish.measure.worker import Worker
from burnish.model.variant import as_tuple
from burnish.model.weights import load_state
from burnish.workloads.registry import get

DESCRIPTION = "module.json"
WEIGHTS = "weights.safetensors"


class ModuleExecutable(Executable):
    """A module that is called the way its author would call it for inference."""

    def __init__(self, module: nn.Module, options: Mapping[str, Any], signature: Signature, threads: int) -> None:
        torch.set_num_threads(threads)
        if options.get("layout") == "contiguous":
            module = module.to(memory_format=torch.contiguous_format)
        elif options.get("layout") == "channels_last":
            module = module.to(memory_format=torch.channels_last)
        self._module = module.eval().requires_grad_(False)
        self._compiled = options.get("mode") == "compile"
        self._run: Any = self._module
        if self._compiled:
            self._run = torch.compile(module, options={"freezing": True} if options.get("freezing") else None)
        self._bf16 = bool(options.get("bf16"))
        self._signature = signature

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Outputs by name, float32."""
        tensors = to_torch(inputs)
        quiet = torch.no_grad() if self._compiled else torch.inference_mode()
        with quiet, torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            outputs = as_tuple(self._run(**tensors), self._module)
        return name_outputs([tensor.float() for tensor in outputs], self._signature)

    def close(self) -> None:
        """Let go of the module."""
        self._run = None


def describe(folder: Path, workload: str, settings: Mapping[str, Any], seed: int) -> None:
    """Write down which module the weights in `folder` belong to."""
    text = json.dumps({"workload": workload, "settings": dict(settings), "seed": seed})
    (folder / DESCRIPTION).write_text(text)


def open_module(folder: Path) -> nn.Module:
    """The module of a folder, with its weights."""
    told = json.loads((folder / DESCRIPTION).read_text())
    torch.manual_seed(told["seed"])
    module = get(told["workload"], **told["settings"]).build().eval()
    load_state(module, folder / WEIGHTS)
    return module


class ModuleWorker(Worker):
    """A measuring worker that opens such folders."""

    def open(
        self, backend: str, folder: Path, options: dict[str, Any], signature: Signature, threads: int
    ) -> Executable:
        """Rebuild the module; `backend` says nothing here."""
        del backend
        return ModuleExecutable(open_module(folder), options, signature, threads)
