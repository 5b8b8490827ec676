"""Doors: how built-in parts and plugins are found by name, one file each.

A door looks into one package: every file there without a leading underscore is one part, named
after the file (`fashion_mnist.py` is `fashion-mnist`), and must define `PART`. Plugins enter
through the entry-point group of the same name. Listing reads the first docstring line and imports
nothing; asking imports that one file only.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

from burnish.core.errors import BurnishError, UnknownName, did_you_mean


class Door:
    """A registry of one kind of part.

    `package` is the folder that holds the built-in ones; it is also the entry-point group.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._found: dict[str, importlib.metadata.EntryPoint] | None = None

    def names(self) -> tuple[str, ...]:
        """Every name, sorted. Imports none of them."""
        return tuple(sorted({*self._builtin(), *self._plugins()}))

    def describe(self, name: str) -> str:
        """The first line of the part's docstring, read without importing it."""
        path = self._builtin().get(name)
        if path is None:
            return f"plugin: {self._plugins()[name].value}" if name in self._plugins() else ""
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        return text.splitlines()[0] if text else ""

    def check(self, name: str) -> None:
        """Whether there is such a part, without importing it. Raises `UnknownName` with the nearest name."""
        if name not in self.names():
            raise UnknownName(f"unknown {self.kind} {name!r}", help=did_you_mean(name, self.names()))

    def get(self, name: str) -> Any:
        """The part itself. Raises `UnknownName`; errors of the import itself are not hidden."""
        builtin, plugins = self._builtin(), self._plugins()
        if name in builtin and name in plugins:
            raise BurnishError(
                f"two providers of the {self.kind} {name!r}",
                where=f"{self.package}, {plugins[name].value}",
                help="uninstall the plugin or rename its entry point",
            )
        if name in plugins:
            return plugins[name].load()
        if name not in builtin:
            self.check(name)
        module = importlib.import_module(f"{self.package}.{builtin[name].stem}")
        return module.PART

    def _builtin(self) -> dict[str, Path]:
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        files = [f for folder in folders or () for f in Path(folder).glob("*.py")]
        return {f.stem.replace("_", "-"): f for f in files if not f.stem.startswith("_")}

    def _plugins(self) -> dict[str, importlib.metadata.EntryPoint]:
        """Looked up once: it reads a file of every installed package."""
        if self._found is not None:
            return self._found
        found: dict[str, importlib.metadata.EntryPoint] = {}
        for point in importlib.metadata.entry_points(group=self.package):
            if point.name in found:
                raise BurnishError(
                    f"two providers of the {self.kind} {point.name!r}",
                    where=f"{found[point.name].value}, {point.value}",
                    help="uninstall one of them",
                )
            found[point.name] = point
        self._found = found
        return found


PASSES = Door("pass", "burnish.passes.kinds")
CRITERIA = Door("criterion", "burnish.passes.criteria")
BACKENDS = Door("backend", "burnish.backends.kinds")
WORKLOADS = Door("workload", "burnish.workloads.kinds")
METRICS = Door("metric", "burnish.measure.metrics")
OPTIMIZERS = Door("optimizer", "burnish.train.optimizers")
WEIGHTINGS = Door("weighting", "burnish.train.weightings")
STRATEGIES = Door("strategy", "burnish.train.strategies")

DOORS: dict[str, Door] = {
    "passes": PASSES,
    "criteria": CRITERIA,
    "backends": BACKENDS,
    "workloads": WORKLOADS,
    "metrics": METRICS,
    "optimizers": OPTIMIZERS,
    "weightings": WEIGHTINGS,
    "strategies": STRATEGIES,
}
