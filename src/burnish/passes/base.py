"""What a pass is: settings that can be called on a variant and a context, giving an outcome.

A pass cannot grade itself: the validation score, the measured cost and the look into the compiled
graph are functions that the pipeline puts into the context, and tests can make up.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from burnish.core.evidence import Change, Coverage, Skip
from burnish.core.noun import Noun
from burnish.core.progress import Progress, Silent
from burnish.core.signature import Signature
from burnish.data.split import Split
from burnish.model.variant import Variant
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings, Loss

if TYPE_CHECKING:
    from burnish.passes.together import Team


Cost = Callable[[Sequence[Variant]], list[float]]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a pass may use from outside.

    `examples`: one batch of real inputs, batch size >= 2. `score(module)` is the validation
    score, higher is better. `cost(variants)` gives their latencies in ms on the target backend at
    the served shape, measured side by side; `cost_served` does so in the form in which later passes leave them, where
    that is faster. `inspect(variant)` compiles it there and tells the precision of each
    operator. `teacher` is the uncompressed ancestor, None before there is one. `max_drop` is how
    much score the budget allows to lose against `base_score`. `unlabelled`: more inputs of the kind of
    `train`, whose targets mean nothing. `by_class(module)`: validation accuracy of each class, where targets are
    classes. `difference(one, other)`: the first module's validation score less the second's, with its 95 % interval
    over the same rows. `measured_on` names the machine, threads,
    backend and shapes that `cost` and `inspect` stand for. `ranks` run this pass together; `team` are those that
    wait to be called into a training (`together`), None where there are none.
    """

    signature: Signature
    examples: Mapping[str, Tensor]
    train: Split
    loss: Loss
    score: Callable[[nn.Module], float]
    seed: int = 0
    fit: FitSettings = field(default_factory=FitSettings)
    teacher: nn.Module | None = None
    base_score: float | None = None
    max_drop: float = 0.01
    cost: Cost | None = None
    cost_served: Cost | None = None
    inspect: Callable[[Variant], Coverage | None] | None = None
    progress: Progress = field(default_factory=Silent)
    scratch: Path | None = None
    unlabelled: Split | None = None
    by_class: Callable[[nn.Module], dict[str, float]] | None = None
    difference: Callable[[nn.Module, nn.Module], dict[str, float]] | None = None
    measured_on: str = ""
    ranks: Ranks = field(default_factory=Ranks)
    team: Team | None = None

    def floor(self, score: float, max_drop: float | None = None) -> float:
        """The lowest score that the budget allows for what now has `score`; never above that.

        With a `max_drop` of its own a pass may lose so much of `score`, whatever the budget says.
        """
        if max_drop is not None:
            return score - max_drop
        start = score if self.base_score is None else self.base_score
        return min(score, start - self.max_drop)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The new variant, and what the pass says about it.

    `notes` is plain JSON: numbers and texts worth showing. `coverage` is set by passes that
    change precision.
    """

    variant: Variant
    changes: tuple[Change, ...]
    skipped: tuple[Skip, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    coverage: Coverage | None = None


class Pass(Noun):
    """Base of all passes; fields are its settings. Never changes the variant it is given.

    `trains` says that the pass needs no gain in speed or size to be kept: it works for quality.
    `expects` names the pass settings' effect for the plan. `unseen` are settings that change nothing in what comes
    out but rounding, in the form of pydantic's `exclude`.
    """

    trains: ClassVar[bool] = False
    unseen: ClassVar[dict[str, Any]] = {}

    @abstractmethod
    def __call__(self, variant: Variant, context: Context) -> Outcome:
        """Do the work. Raises `Unsupported` before any of it, `NoEffect` when nothing changed."""

    @property
    def measures(self) -> bool:
        """Whether the result depends on times or graphs of the machine it runs on."""
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the settings name; the result depends on what is in them."""
        return ()

    def trainings(self, base: FitSettings) -> tuple[FitSettings, ...]:
        """Settings of the trainings it is going to run, where the workload's own are `base`."""
        del base
        return ()

    def check_rows(self, count: int) -> None:
        """Refuse a training set of so many rows, before any work. Raises `BadData`."""
        del count

    @property
    def previewed(self) -> str:
        """What `preview` does, as a part of the keys of what was timed with it; "" where it does nothing."""
        return ""

    def preview(self, variant: Variant, examples: Mapping[str, Tensor]) -> Variant:
        """What stands for the outcome when earlier passes are timed: its operators, whatever their values.

        Takes seconds. Raises `Unsupported`.
        """
        del examples
        return variant

    def forecast(self) -> str:
        """One line for the plan: what this pass is going to do."""
        return (type(self).__doc__ or "").splitlines()[0]
