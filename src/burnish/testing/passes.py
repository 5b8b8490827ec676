"""The contract of passes."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from burnish.core.errors import NoEffect, RecipeError, Unsupported
from burnish.core.progress import Task
from burnish.core.signature import Signature
from burnish.model.replay import replay
from burnish.model.surgery import snapshot
from burnish.model.variant import Variant, predict
from burnish.passes.base import Context, Outcome, Pass


class Weightless(nn.Module):
    """Outputs of the signature's shapes from the mean of the inputs: nothing for a pass to work on."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self._signature = signature

    def forward(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of the signature."""
        sizes: dict[str, int] = {}
        for spec in self._signature.inputs:
            words = zip(spec.shape, inputs[spec.name].shape, strict=True)
            sizes |= {word: size for word, size in words if isinstance(word, str)}
        mean = torch.stack([tensor.float().mean() for tensor in inputs.values()]).mean()
        return tuple(
            mean.expand(spec.resolve(**sizes)).to(getattr(torch, spec.dtype)) for spec in self._signature.outputs
        )


_Bits = tuple[dict[str, Any], dict[str, Tensor]]


def check_pass(kind: type[Pass], settings: Mapping[str, Any], variant: Variant, context: Context) -> Outcome:
    """Hold a pass to its contract on a variant and a context that suit it; gives its outcome.

    It has a card; settings go through JSON and a field that does not exist is an error that names
    the nearest one; the variant it is given stays as it was, to the bit; outputs keep the
    signature's shapes and dtypes, in evaluation mode; two runs give the same weights whatever the global seed; the
    outcome's records, replayed on the original architecture, take the outcome's weights and answer
    the same to the bit; its preview has the outcome's precision where it says that it has one, keeps the signature and
    leaves the variant as it was; on models it cannot work on it raises `Unsupported` or `NoEffect` before
    any training.
    """
    _check_card(kind)
    _check_settings(kind, settings)
    pass_ = kind.parse(dict(settings))
    before = _bits(variant.module)
    torch.manual_seed(1)
    outcome = pass_(variant, context)
    assert _same(before, _bits(variant.module)), "the variant that a pass is given stays as it was"
    assert outcome.changes, "a pass that changed something says what"
    json.dumps(outcome.notes)
    assert not any(part.training for part in outcome.variant.module.modules()), "the outcome is in evaluation mode"
    _check_signature(outcome.variant.module, context)
    torch.manual_seed(2)
    again = pass_(variant, context)
    assert _same(_bits(outcome.variant.module), _bits(again.variant.module)), "the same seed gives the same weights"
    assert outcome.variant.records == again.variant.records, "the same seed gives the same records"
    _check_replay(variant, outcome, context)
    _check_preview(pass_, variant, outcome, context, before)
    _check_unsuitable(pass_, Variant(module=Weightless(context.signature)), context)
    if outcome.variant.precision != variant.precision:
        _check_unsuitable(pass_, outcome.variant, context)
    return outcome


def _check_preview(pass_: Pass, variant: Variant, outcome: Outcome, context: Context, before: _Bits) -> None:
    preview = pass_.preview(variant, context.examples)
    assert _same(before, _bits(variant.module)), "the variant that is previewed stays as it was"
    if not pass_.previewed:
        assert preview is variant, "a pass whose preview changes something says what"
        return
    assert preview.precision == outcome.variant.precision, "a preview has the precision of the outcome"
    _check_signature(preview.module, context)
    assert pass_.preview(outcome.variant, context.examples).precision == preview.precision, "a preview of an outcome"


def _check_card(kind: type[Pass]) -> None:
    module = inspect.getmodule(kind)
    card = (module.__doc__ or "") if module is not None else ""
    assert "Cost" in card and "Source" in card, "the module's docstring is a card that says source and cost"
    assert kind.__doc__, "the class says in one line what it does"


def _check_settings(kind: type[Pass], settings: Mapping[str, Any]) -> None:
    pass_ = kind.parse(dict(settings))
    plain = json.loads(json.dumps(pass_.model_dump(mode="json")))
    assert kind.parse(plain) == pass_, "settings survive being written as JSON"
    assert kind.from_json(pass_.to_json()) == pass_, "settings survive being written as JSON"
    assert pass_.forecast(), "forecast() says in one line what is going to happen"
    for field in kind.model_fields:
        try:
            kind.parse({f"{field}z": 1}, where="here")
        except RecipeError as error:
            named = error.where == "here" and f"'{field}'" in error.help
            assert named, "an unknown field is an error that says where and names the nearest one"
        else:
            raise AssertionError("an unknown field is an error")


def _check_signature(module: nn.Module, context: Context) -> None:
    sizes: dict[str, int] = {}
    for given in context.signature.inputs:
        words = zip(given.shape, context.examples[given.name].shape, strict=True)
        sizes |= {word: size for word, size in words if isinstance(word, str)}
    outputs = predict(module, context.examples)
    for spec, output in zip(context.signature.outputs, outputs, strict=True):
        dtype = str(output.dtype).removeprefix("torch.")
        assert tuple(output.shape) == spec.resolve(**sizes), f"{spec.name} keeps its shape"
        assert dtype == spec.dtype, f"{spec.name} keeps its dtype"


def _check_replay(variant: Variant, outcome: Outcome, context: Context) -> None:
    old, new = variant.records, outcome.variant.records
    assert new[: len(old)] == old, "records are added to the ones that were there"
    twin = replay(_blank(variant.module), new[len(old) :])
    twin.module.load_state_dict(outcome.variant.module.state_dict(), strict=True)
    found, wanted = predict(twin.module, context.examples), predict(outcome.variant.module, context.examples)
    same = all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert same, "the records on the original architecture, with the weights, answer the same to the bit"


def _check_unsuitable(pass_: Pass, variant: Variant, context: Context) -> None:
    steps = _Steps()
    try:
        pass_(variant, replace(context, progress=steps))
    except (Unsupported, NoEffect) as error:
        assert error.what, "the error says what the model lacks"
        assert not steps.done, "what a model lacks is noticed before any work"
    else:
        raise AssertionError("a model that a pass cannot work on is Unsupported, or has NoEffect")


class _Steps:
    """Progress that only counts."""

    def __init__(self) -> None:
        self.done = 0

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A bar that counts its steps here."""
        del label, total
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count."""
        del note
        self.done += steps

    def say(self, text: str) -> None:
        """Drop the line."""
        del text


def _blank(module: nn.Module) -> nn.Module:
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for tensor in (*twin.parameters(), *twin.buffers()):
            tensor.zero_()
    return twin


def _bits(module: nn.Module) -> _Bits:
    return snapshot(module), {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _same(one: _Bits, two: _Bits) -> bool:
    names = list(one[1]) == list(two[1])
    return one[0] == two[0] and names and all(torch.equal(one[1][name], two[1][name]) for name in one[1])
