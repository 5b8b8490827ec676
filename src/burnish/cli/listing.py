"""`burnish list` and `burnish explain`: what is registered, and the card of one part."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.cli.terminal.console import print_card, print_rows
from burnish.core.doors import DOORS, Door
from burnish.core.errors import UnknownName, did_you_mean
from burnish.core.noun import Noun
from burnish.pipeline.shipped import shipped_recipes, summary

_RECIPES = "recipes"
_SCHEDULE = "schedule"
_BY_TRAINING = {
    "optimizers": ("optimizer", "learning_rate", "weight_decay", "momentum"),
    "weightings": ("weighting",),
    "strategies": ("strategy",),
}
"""Doors whose parts a training makes: the setting of a training that chooses one, and those that all parts follow."""


def show_list(kind: str | None) -> None:
    """Print names and one-line descriptions, of one list or of all. Imports none of the parts, but for a list of
    the optimizers alone, which are measured.

    Raises `UnknownName` when there is no such list.
    """
    lists = [*DOORS, _RECIPES]
    if kind is not None and kind not in lists:
        raise UnknownName(f"unknown list {kind!r}", help=did_you_mean(kind, lists))
    for name in (kind,) if kind else lists:
        if name == _RECIPES:
            rows = [(recipe, summary(path)) for recipe, path in shipped_recipes().items()]
        else:
            rows = [(part, DOORS[name].describe(part)) for part in DOORS[name].names()]
        if kind == "optimizers":
            from burnish.train.optimizer import state_bytes_per_parameter

            measured = [(part, what, f"{state_bytes_per_parameter(part):.2f}") for part, what in rows]
            print_rows((name, "what it is", "bytes of state per parameter, measured"), measured)
            return
        print_rows((name, "what it is"), rows or [("none", "")])


def show_card(what: str) -> None:
    """Print the card of a part: its module's docstring and its settings. Imports that part only.

    `schedule` is no part: all learning-rate schedules are drawn.
    """
    if what == _SCHEDULE:
        from burnish.cli.schedules import show_schedules

        show_schedules()
        return
    kind, _, recipe = what.partition("/")
    if kind == _RECIPES:
        if recipe not in shipped_recipes():
            raise UnknownName(f"unknown recipe {recipe!r}", help=did_you_mean(recipe, shipped_recipes()))
        print_card(f"# {recipe} (recipe)\n\n```yaml\n{shipped_recipes()[recipe].read_text()}```")
        return
    door_name, name = find(what)
    part = DOORS[door_name].get(name)
    print_card(card(door_name, name, part))


def find(what: str) -> tuple[str, str]:
    """Door and name that `what` means: `prune`, or `passes/prune` where two doors share a name.

    Raises `UnknownName` naming the nearest one.
    """
    door_name, slash, name = what.partition("/")
    if slash:
        if door_name not in DOORS:
            raise UnknownName(f"unknown door {door_name!r}", where=what, help=did_you_mean(door_name, DOORS))
        if name not in DOORS[door_name].names():
            near = did_you_mean(name, DOORS[door_name].names())
            raise UnknownName(f"unknown {DOORS[door_name].kind} {name!r}", help=near)
        return door_name, name
    homes = [door for door in DOORS if what in DOORS[door].names()]
    if len(homes) > 1:
        ways = " or ".join(f"{home}/{what}" for home in homes)
        raise UnknownName(f"{what!r} is the name of {len(homes)} parts", help=f"say {ways}")
    if not homes:
        known = {_SCHEDULE, *(name for door in DOORS.values() for name in door.names())}
        raise UnknownName(f"nothing is called {what!r}", help=f"{did_you_mean(what, known)} (`burnish list` shows all)")
    return homes[0], what


def card(door_name: str, name: str, part: Any) -> str:
    """The card in Markdown: title, docstring, settings with defaults and descriptions."""
    text = _docstring(DOORS[door_name], name, part)
    lines = [f"# {name} ({DOORS[door_name].kind})", "", text or "No description.", ""]
    if door_name in _BY_TRAINING:
        chooses, *names = _BY_TRAINING[door_name]
        found = _of_training(part.follows if door_name == "weightings" else names)
        lines += [f"Chosen with `{chooses}: {name}` in what trains.", *([""] if found else [])]
    else:
        found = settings(part)
    if found:
        lines += ["## Settings", ""]
    elif door_name not in _BY_TRAINING:
        lines += ["It has no settings."]
    for field in found:
        meaning = f": {field.meaning}" if field.meaning else ""
        default = f", default `{field.default}`" if field.default else ", required"
        lines.append(f"- `{field.name}` ({field.type}{default}){meaning}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Setting:
    """One setting of a part; an empty default means that it must be given."""

    name: str
    type: str
    default: str
    meaning: str


def settings(part: Any) -> tuple[Setting, ...]:
    """The settings of a part: a Noun's fields, or the arguments of a function or class."""
    kind = part if inspect.isclass(part) else type(part)
    if issubclass(kind, Noun):
        return tuple(_fields(kind, ""))
    if not (inspect.isclass(part) or inspect.isfunction(part)):
        return ()
    if inspect.isclass(part) and part.__init__ is object.__init__:
        return ()
    arguments = inspect.signature(part).parameters.values()
    return tuple(_argument(argument) for argument in arguments if argument.kind is not argument.VAR_KEYWORD)


def _of_training(names: Sequence[str]) -> tuple[Setting, ...]:
    """These settings of a training."""
    from burnish.train.settings import FitSettings

    return tuple(_field(name, FitSettings.model_fields[name]) for name in names)


def _fields(kind: type[Noun], prefix: str) -> Iterator[Setting]:
    """The fields of a noun; those of a noun inside it follow as `outer.inner`, as `--set` writes them."""
    for name, field in kind.model_fields.items():
        yield _field(prefix + name, field)
        if inspect.isclass(field.annotation) and issubclass(field.annotation, Noun):
            yield from _fields(field.annotation, f"{prefix}{name}.")


def _field(name: str, field: Any) -> Setting:
    default = "" if field.is_required() else _short(field.get_default(call_default_factory=True))
    limits = ", ".join(_limit(limit) for limit in field.metadata)
    meaning = "; ".join(text for text in (field.description or "", limits) if text)
    return Setting(name, _type(field.annotation), default, meaning)


def _limit(limit: Any) -> str:
    """`Gt(gt=0)` as `> 0`; other constraints as they print."""
    name, _, value = str(limit).rstrip(")").partition("(")
    sign = {"Gt": ">", "Ge": ">=", "Lt": "<", "Le": "<="}.get(name)
    return f"{sign} {value.partition('=')[2]}" if sign else str(limit)


def _argument(argument: inspect.Parameter) -> Setting:
    empty = inspect.Parameter.empty
    default = "" if argument.default is empty else _short(argument.default)
    return Setting(argument.name, "any" if argument.annotation is empty else _type(argument.annotation), default, "")


def _type(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation).replace("typing.", "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__}(...)"


def _docstring(door: Door, name: str, part: Any) -> str:
    """The docstring of the file that the part was found in, or of a plugin's module."""
    module = sys.modules.get(f"{door.package}.{name.replace('-', '_')}") or inspect.getmodule(part)
    module = module or sys.modules[type(part).__module__]
    return inspect.getdoc(module) or ""
