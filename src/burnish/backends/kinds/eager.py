"""PyTorch, operator by operator: the reference that every other backend is compared with.

The module is exported once (`burnish.backends.graph`), so that what runs later needs none of the
user's code. Source: https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burnish.backends.backend import Availability, Backend, Executable, Options
from burnish.backends.export import export
from burnish.backends.graph.read import read_graph
from burnish.backends.graph.write import write_graph
from burnish.backends.torch_module import TorchExecutable
from burnish.core.evidence import Coverage
from burnish.core.signature import Signature
from burnish.model.variant import Program


class Eager(Backend):
    """Runs the exported graph with torch's own kernels. No options."""

    name = "eager"

    def available(self) -> Availability:
        """Always: torch is a dependency."""
        return Availability(ok=True)

    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """One way for fp32; none for int8, which torch would only simulate."""
        return ({},) if precision == "fp32" else ()

    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Export to `graph.json` and `weights.npz`."""
        del options
        write_graph(export(program, self.name), folder)

    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """The graph as a module."""
        del options
        return TorchExecutable(read_graph(folder), signature, threads, backend=self.name)

    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Unknown: kernels are chosen at every call."""
        del folder, options
        return None


PART = Eager()
