"""A module with some of its fake-quantize nodes taken out, its weights and the other nodes as they are."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from burnish.core.manifest import Record
from burnish.model.fake_quant import record, replay

_COMMANDS, _HOOKS = "compression_state", "hook_names_in_model"  # of the record, as NNCF writes it


def keep_nodes(module: nn.Module, original: nn.Module, like: nn.Module | None) -> nn.Module:
    """A copy of `module` with those of its nodes only that `like` has too; `None` has none.

    `original` is the module before it got nodes; values of weights and nodes are those of `module`.
    """
    commands = record(module).data[_COMMANDS]
    wanted = set() if like is None else {place for c in record(like).data[_COMMANDS] for place in _places(c)}
    kept = []
    for command in commands:
        hooks = [name for name in command[_HOOKS] if not _rounds(command) or _place(name) in wanted]
        if hooks:
            kept.append(command | {_HOOKS: hooks})
    made = replay(copy.deepcopy(original), Record(kind="fake-quantize", data={_COMMANDS: kept}))
    values = module.state_dict()
    made.load_state_dict({name: values[name] for name in made.state_dict()})
    return made.eval()


def _rounds(command: dict[str, Any]) -> bool:
    return str(command["module_cls_name"]).endswith("Quantizer")


def _places(command: dict[str, Any]) -> list[str]:
    return [_place(name) for name in command[_HOOKS]] if _rounds(command) else []


def _place(hook: str) -> str:
    """A hook's operator and port, without its number in the row of hooks there."""
    return hook.rpartition(".")[0]
