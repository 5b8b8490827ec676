"""Which backends a run tries, and on which of them passes measure."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.backends.backend import Backend
from burnish.core.doors import BACKENDS
from burnish.core.errors import MissingExtra
from burnish.pipeline.recipe import Compile


@dataclass(kw_only=True)
class Choice:
    """The recipe's backends that can run here; `useful` are those a short timing left, fastest first.

    `reference` is the backend that stands for what the user has. `unavailable`: name -> why it is left out.
    """

    compile: Compile
    reference: str = "eager"
    useful: tuple[str, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)

    def usable(self) -> list[Backend]:
        """The backends to try. Raises `MissingExtra` when one that was named cannot run here."""
        found: list[Backend] = []
        for name in self.compile.backends or BACKENDS.names():
            backend: Backend = BACKENDS.get(name)
            state = backend.available()
            if state.ok and not (name == "null" and name not in self.compile.backends):
                found.append(backend)
            elif name in self.compile.backends:
                raise MissingExtra(f"backend {name!r} cannot run here", why=state.reason, help=state.help)
            elif not state.ok:
                self.unavailable[name] = state.reason
        return found

    def targets(self, precision: str) -> list[Backend]:
        """Where passes measure a model of this precision, in the order they are tried.

        The recipe's target leads, but what the screening found useless comes last.
        """
        names = {backend.name: backend for backend in self.usable() if backend.choices(precision)}
        usual = (self.compile.target, "openvino", "onnxruntime", "inductor", "eager", *names)
        order = [name for name in dict.fromkeys(usual) if name in names]
        if self.useful:
            order.sort(key=self._place)
        return [names[name] for name in order]

    def target(self) -> Backend:
        """Where passes measure a floating-point model."""
        return self.targets("fp32")[0]

    def _place(self, name: str) -> int:
        """0 for the recipe's target if it is useful, then the useful ones by speed, then the others."""
        if name not in self.useful:
            return len(self.useful) + 1
        return 0 if name == self.compile.target else self.useful.index(name) + 1
