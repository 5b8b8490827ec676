"""Times variants in the form in which they will be served.

INT8 does not speed all layers up alike, so what a cut saves in floating point is not what it saves afterwards.
Where a later pass makes the whole model faster, everything is timed as that pass would leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.core.errors import Unsupported
from burnish.model.variant import Variant
from burnish.passes.base import Pass
from burnish.pipeline.workbench import Workbench


@dataclass(kw_only=True)
class ServedForm:
    """`cost` is that of the bench, on previews of the later passes where these are faster for the first model seen.

    `timed` says which form that was; "" before anything was timed.
    """

    bench: Workbench
    later: Sequence[Pass]
    timed: str = field(default="", init=False)
    _preview: Callable[[Variant], Variant] | None = field(default=None, init=False)

    def cost(self, variants: Sequence[Variant]) -> list[float]:
        """Latency in ms of each on the target backend at the first shape, all in the same form."""
        if self._preview is None:
            self._preview = self._form(variants[0])
        with self.bench.progress.task("preparing the cost table", total=len(variants)) as task:
            ready = []
            for variant in variants:
                ready.append(self._preview(variant))
                task.advance()
        return self.bench.cost(ready)

    def _form(self, whole: Variant) -> Callable[[Variant], Variant]:
        """The faster form of the whole model."""
        if not any(pass_.previewed for pass_ in self.later):
            self.timed = "as the pass leaves it"
            return _as_it_is
        try:
            plain, rounded = (self.bench.on_target(form)[-1] for form in (whole, self._later(whole)))
            first = self.bench.served[0]
            timed = self.bench.against_first(
                [plain, rounded], [first], rounds=8, seconds=4.0, labels=["as it is", "as served"]
            )
            speed = timed[first.label][1][1]
        except Unsupported as error:
            self._tell(f"without the later passes: {error.what}")
            return _as_it_is
        faster = speed.value > 1
        form = "with" if faster else "without"
        self._tell(f"{form} the later passes, which make the whole model {speed.value:.2f}x as fast")
        return self._later if faster else _as_it_is

    def _tell(self, timed: str) -> None:
        self.timed = timed
        self.bench.progress.say(f"    layers are timed {timed}")

    def _later(self, variant: Variant) -> Variant:
        for pass_ in self.later:
            variant = pass_.preview(variant, self.bench.examples)
        return variant


def _as_it_is(variant: Variant) -> Variant:
    return variant
