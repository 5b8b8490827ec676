"""Trainings that several ranks do together, while the first one runs the passes.

It alone cuts, calibrates, measures and decides; the others wait. Where a training begins it tells them which one. All
build the model anew from its records and call the same function with the same arguments; then the first one takes the
weights back and goes on alone. So nothing that is measured has to be agreed on, and one rank is as it was without.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.manifest import Record
from burnish.core.noun import Noun
from burnish.model.replay import replay
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings

T = TypeVar("T")
Body = Callable[[nn.Module, Context, nn.Module | None], T]
"""Trains a module in place; the context has the ranks that take part, and the teacher may be one of its own."""


class Order(Noun):
    """What the first rank tells the others: which training, of a model that follows, or that there are no more.

    `own_teacher`: a teacher for this training alone follows. `saves`: it is written down as it goes on.
    """

    kind: Literal["fit", "recover", "teacher", "end"]
    label: str = ""
    settings: dict[str, Any] = {}
    fit: FitSettings | None = None
    seed: int = 0
    own_teacher: bool = False
    saves: bool = False


@dataclass(frozen=True, kw_only=True)
class Team:
    """The ranks of a run, as each of them sees it.

    `idle` are the same ranks, for waiting; `build` makes the original module; `threads` are those of a training here.
    """

    ranks: Ranks
    idle: Ranks
    build: Callable[[], nn.Module]
    threads: int

    def train(
        self, order: Order, body: Body[T], variant: Variant, context: Context, teacher: Variant | None = None
    ) -> T:
        """Train the variant's module in place on all ranks. The first rank calls this."""
        parts = {id(item): self._rebuilt(item.records, item) for item in (variant, teacher) if item is not None}
        self._tell(order)
        module = self._filled(parts[id(variant)], variant)
        guide = None if teacher is None else self._filled(parts[id(teacher)], teacher)
        with _threads(self.threads):
            found = body(module, replace(context, ranks=self.ranks, team=None), guide)
        own = _tensors(variant.module)
        with torch.no_grad():
            for name, tensor in _tensors(module).items():
                own[name].copy_(tensor)
        variant.module.train(module.training)
        return found

    def teach(self, variant: Variant) -> None:
        """Give the other ranks the teacher of all trainings to come. The first rank calls this."""
        module = self._rebuilt(variant.records, variant)
        self._tell(Order(kind="teacher"))
        self._filled(module, variant)

    def dismiss(self) -> None:
        """Let the other ranks end. The first rank calls this."""
        self._tell(Order(kind="end"))

    def wait(self) -> Order:
        """The next order; the other ranks call this, and `receive` where a model follows."""
        return Order.from_json(self.idle.text(""))

    def receive(self) -> nn.Module:
        """The model that the first rank trains."""
        return self._filled(None, None)

    def _tell(self, order: Order) -> None:
        self.idle.text(order.to_json())

    def _rebuilt(self, records: Sequence[Record], like: Variant | None = None) -> nn.Module:
        """The original module with these records. Raises `Unsupported` when that is not of the structure of `like`."""
        with torch.random.fork_rng(devices=[]):
            module = replay(self.build(), records).module
        if like is not None:
            wanted, found = (
                {name: tuple(tensor.shape) for name, tensor in _tensors(part).items()} for part in (like.module, module)
            )
            if wanted != found:
                raise Unsupported(
                    "this model cannot be built again on the other ranks",
                    where=min(dict(wanted.items() ^ found.items())),
                    why="its records do not lead from the original model to it",
                    help="run with one device",
                )
        return module

    def _filled(self, module: nn.Module | None, variant: Variant | None) -> nn.Module:
        """The module with the weights of the first rank's variant, on all ranks."""
        head = {} if variant is None else _head(variant)
        told = json.loads(self.ranks.text(json.dumps(head)))
        if module is None:
            module = self._rebuilt([Record.parse(record) for record in told["records"]])
        for first, other in told["tied"]:
            place, _, name = other.rpartition(".")
            module.get_submodule(place)._parameters[name] = module.get_parameter(first)
        for name, param in module.named_parameters():
            param.requires_grad_(name not in told["frozen"])
        own = _tensors(module)
        with torch.no_grad():
            for name, tensor in self.ranks.hand_out({} if variant is None else _tensors(variant.module)):
                own[name].copy_(tensor)
        return module


def together(order: Order, body: Body[T], variant: Variant, context: Context, *, teacher: Variant | None = None) -> T:
    """Train the variant's module in place: here, or with the ranks that wait for it.

    The variant's records must lead from the original module to it.
    """
    if context.team is None:
        return body(variant.module, context, None if teacher is None else teacher.module)
    told = {
        "fit": context.fit,
        "seed": context.seed,
        "own_teacher": teacher is not None,
        "saves": context.scratch is not None,
    }
    return context.team.train(order.model_copy(update=told), body, variant, context, teacher)


def on_ranks(settings: FitSettings, ranks: Ranks) -> FitSettings:
    """The settings as so many ranks train by them: one alone divides nothing."""
    return settings if ranks.world > 1 else settings.model_copy(update={"strategy": "auto"})


def _head(variant: Variant) -> dict[str, Any]:
    """What a module is, beside its tensors."""
    firsts: dict[int, str] = {}
    tied = []
    for name, param in variant.module.named_parameters(remove_duplicate=False):
        first = firsts.setdefault(id(param), name)
        tied += [] if first == name else [[first, name]]
    return {
        "records": [record.model_dump(mode="json") for record in variant.records],
        "frozen": [name for name, param in variant.module.named_parameters() if not param.requires_grad],
        "tied": tied,
    }


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by every name they have, buffers that are not saved included."""
    params = module.named_parameters(remove_duplicate=False)
    return {name: tensor.detach() for name, tensor in (*params, *module.named_buffers(remove_duplicate=False))}


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
