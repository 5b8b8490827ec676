"""The passes of a recipe one after the other: where the run stands, what each did, which variants survive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from burnish.core.budget import Budget
from burnish.core.evidence import Evidence
from burnish.model.variant import Variant
from burnish.passes.base import Pass
from burnish.pipeline.screen import screen
from burnish.pipeline.stages import Stages, State
from burnish.pipeline.surroundings import max_drop


@dataclass(kw_only=True)
class Chain:
    """Runs passes on one state and keeps count. The first that is kept is the base: teacher and baseline.

    `survivors`: (stage, name, variant) of every pass that was kept, the base first.
    """

    stages: Stages
    budget: Budget
    state: State
    evidence: list[Evidence] = field(default_factory=list)
    survivors: list[tuple[int, str, Variant]] = field(default_factory=list)

    def start(self) -> None:
        """Take the model as it was given for the base."""
        self._base(self.state)
        self.survivors.append((0, "given", self.state.variant))
        self.evidence.append(
            Evidence(
                stage=0,
                pass_name="given",
                settings={},
                verdict="base",
                key=self.state.key,
                measured=self.stages.counted(self.state),
            )
        )

    def add(self, name: str, pass_: Pass, later: Sequence[Pass] = ()) -> None:
        """Run one more pass, before those that come `later`; the state is the old one when it is rolled back."""
        index = 1 + sum(row.stage > 0 for row in self.evidence)
        row, after = self.stages.run(index, pass_, name, self.state, later)
        if row.verdict == "kept":
            self.survivors.append((index, name, after.variant))
        if row.verdict == "kept" and not self.state.based:
            row = row.model_copy(update={"verdict": "base"})
            self._base(after)
        else:
            self.state = after
        self.evidence.append(row)

    def _base(self, state: State) -> None:
        """From here on this variant is the teacher and what others are compared with."""
        bench, context = self.stages.bench, self.stages.context
        with self.stages.spent.measuring:
            found = screen(bench, state.variant)
        choice = bench.choice
        choice.useful = found.by_speed() if choice.compile.backends else found.useful()
        choice.unavailable |= found.failed | found.dropped(choice.useful, choice.reference)
        if context.team is not None:
            context.team.teach(state.variant)
        self.stages.context = replace(
            context,
            teacher=state.variant.copy().module,
            base_score=state.score,
            max_drop=max_drop(self.budget, state.score, bench.workload),
        )
        self.state = replace(state, based=True)
