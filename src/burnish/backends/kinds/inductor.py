"""torch.compile with TorchInductor: fused C++ kernels, made at the first call on this machine.

Needs a C++ compiler where it runs. Source: https://docs.pytorch.org/docs/stable/torch.compiler.html
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from burnish.backends.backend import Availability, Backend, Executable, Options
from burnish.backends.export import export
from burnish.backends.graph.read import read_graph
from burnish.backends.graph.write import write_graph
from burnish.backends.installed import need
from burnish.backends.torch_module import TorchExecutable
from burnish.core.evidence import Coverage
from burnish.core.signature import Signature
from burnish.model.variant import Program


class Inductor(Backend):
    """Compiles the exported graph. Options go to inductor: `{"freezing": true}` folds the weights in."""

    name = "inductor"

    def available(self) -> Availability:
        """Where a C++ compiler is."""
        compiler = os.environ.get("CXX") or "g++"
        if shutil.which(compiler) or shutil.which("clang++"):
            return Availability(ok=True)
        return Availability(ok=False, reason="no C++ compiler found", help="install g++ or clang++, or set CXX")

    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """With and without freezing for fp32; none for int8, which torch would only simulate."""
        return ({}, {"freezing": True}) if precision == "fp32" else ()

    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Export to `graph.json` and `weights.npz`; compiling happens where it runs."""
        del options
        need(self)
        write_graph(export(program, self.name), folder)

    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """The graph behind torch.compile; the first call of each kind of shape compiles."""
        need(self)
        compiled = torch.compile(read_graph(folder), options={"compile_threads": 1, **options})
        free = {spec.name: [i for i, dim in enumerate(spec.shape) if isinstance(dim, str)] for spec in signature.inputs}

        def mark(tensors: dict[str, Tensor]) -> None:
            for name, dims in free.items():
                for dim in dims:
                    torch._dynamo.maybe_mark_dynamic(tensors[name], dim)

        return TorchExecutable(compiled, signature, threads, mark, backend=self.name)

    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Unknown: inductor tells no precision per operator."""
        del folder, options
        return None


PART = Inductor()
