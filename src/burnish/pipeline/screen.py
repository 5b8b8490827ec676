"""A short look before the work: which backends can run the model that is given, and about how fast.

Compiling and timing every candidate on every backend costs minutes. So the base model alone is tried on
each of them first, in a process of its own, for a few calls. A backend that cannot run it, or is several
times slower than the fastest, is not tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.backends.backend import Backend, Options
from burnish.core.errors import BurnishError, OutputError, Unsupported
from burnish.model.variant import Variant
from burnish.pipeline.workbench import Workbench

_SLOWER = 3.0
_ROUNDS = 3
_SECONDS = 2.0


@dataclass(kw_only=True)
class Screening:
    """`ms`: a short timing of each backend that ran, as it is; `failed`: backend -> why it did not."""

    ms: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def by_speed(self) -> tuple[str, ...]:
        """Names of the backends that ran, fastest first."""
        return tuple(sorted(self.ms, key=self.ms.__getitem__))

    def useful(self) -> tuple[str, ...]:
        """Those at most three times slower than the fastest, fastest first."""
        limit = _SLOWER * min(self.ms.values())
        return tuple(name for name in self.by_speed() if self.ms[name] <= limit)

    def dropped(self, useful: tuple[str, ...], reference: str) -> dict[str, str]:
        """Each backend that ran but is not among these -> why. The reference stays."""
        return {
            name: f"{ms / min(self.ms.values()):.1f} times slower than the fastest in a short timing"
            for name, ms in self.ms.items()
            if name not in (*useful, reference)
        }


def screen(bench: Workbench, variant: Variant) -> Screening:
    """Try the variant on every backend, with its first choice of options, at the first served shape.

    Raises `Unsupported` when none can run it.
    """
    found = Screening()
    backends = [(backend, backend.choices(variant.precision)) for backend in bench.choice.usable()]
    with bench.progress.task("trying the backends", total=len(backends)) as task:
        for backend, choices in backends:
            if choices:
                _try(bench, variant, backend, choices[0], found)
            task.advance(note=backend.name)
    if not found.ms:
        raise Unsupported(
            "no backend here can run this model",
            where=bench.workload.name,
            why="; ".join(f"{label}: {reason}" for label, reason in found.failed.items()),
            help="`burnish doctor` shows what is installed; see why tracing fails at the named line",
        )
    return found


def _try(bench: Workbench, variant: Variant, backend: Backend, options: Options, found: Screening) -> None:
    try:
        built = bench.build(variant, backend, options)
        first = bench.served[0]
        (profile,) = bench.time([built], [first], rounds=_ROUNDS, seconds=_SECONDS, count=8)[first.label]
    except OutputError:
        raise
    except BurnishError as error:
        found.failed[backend.name] = "; ".join(part for part in (error.what, error.where, error.why) if part)[:400]
        return
    found.ms[backend.name] = profile.p50.value
