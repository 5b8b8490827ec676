"""The recipe: a workload, a list of passes, how to compile, and the budget.

A typed object; YAML is the same written down:

    workload: digits
    budget: accuracy>=-1pt
    passes:
      - fit
      - prune: {macs: 0.5}
      - quantize: {method: best}
    compile: {backends: [openvino, onnxruntime]}
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from burnish.core.doors import BACKENDS, PASSES
from burnish.core.errors import RecipeError, did_you_mean
from burnish.core.noun import Field, Noun
from burnish.core.signature import Served
from burnish.core.yaml_file import parse_value, read_yaml
from burnish.passes.base import Pass
from burnish.pipeline.shipped import shipped_recipes
from burnish.train.device import Device


class Step(Noun):
    """One pass by name, with its settings."""

    name: str
    settings: dict[str, Any] = {}

    def build(self, index: int) -> Pass:
        """The pass itself. Raises `RecipeError` naming pass, field and the nearest known one."""
        kind = PASSES.get(self.name)
        built: Pass = kind.parse(self.settings, where=f"passes.{index} ({self.name})")
        return built


class Compile(Noun):
    """Which backends to try, and how exact they must be.

    `backends` empty means all that run here. A compiled candidate is exact enough when its
    validation metric differs from the module's by at most `tolerance`.
    """

    backends: tuple[str, ...] = ()
    target: str = Field(default="openvino", description="where passes measure; the first available one otherwise")
    tolerance: float = Field(default=0.005, ge=0)
    rounds: int = Field(default=12, ge=3)
    seconds: float = Field(default=60.0, gt=0, description="time for the final comparison of latencies")


class Recipe(Noun):
    """Everything a run is told."""

    workload: str
    settings: dict[str, Any] = Field(default={}, description="settings of the workload")
    passes: tuple[Step, ...]
    compile: Compile = Field(default_factory=Compile)
    budget: str = ""
    served: tuple[Served, ...] = ()
    seed: int = 0
    threads: int = Field(default=0, ge=0, description="0 is every core")
    device: Device = Field(default="auto", description="what trains; auto is a GPU if any")
    devices: int = Field(default=1, ge=1, description="ranks on this machine that train together")

    def build_passes(self) -> list[Pass]:
        """All passes, checked. Raises `RecipeError`."""
        for name in (*self.compile.backends, self.compile.target):
            if name not in BACKENDS.names():
                raise RecipeError(f"unknown backend {name!r}", help=did_you_mean(name, BACKENDS.names()))
        return [step.build(index) for index, step in enumerate(self.passes)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the short form that people write."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        data["passes"] = [{s.name: s.settings} if s.settings else s.name for s in self.passes]
        return data


def recipe_from(data: dict[str, Any], where: str = "recipe") -> Recipe:
    """Build from plain data in the short form. Raises `RecipeError`."""
    full = copy.deepcopy(data)
    steps = full.get("passes") or []
    if not isinstance(steps, list):
        raise RecipeError("passes is not a list", where=where, help="write `passes: [fit, prune: {macs: 0.5}]`")
    full["passes"] = [_step(item, index) for index, item in enumerate(steps)]
    return Recipe.parse(full, where=where)


def load_recipe(name: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a YAML file or a shipped recipe by name, then apply `field=value` overrides.

    Raises `RecipeError`.
    """
    path = Path(name)
    shipped = shipped_recipes()
    if path.suffix not in (".yaml", ".yml"):
        if name not in shipped:
            raise RecipeError(f"unknown recipe {name!r}", help=did_you_mean(name, shipped))
        path = shipped[name]
    data = read_yaml(path)
    for override in overrides:
        data = apply_override(data, override)
    return recipe_from(data, where=str(name))


def apply_override(data: dict[str, Any], override: str) -> dict[str, Any]:
    """`prune.ratio=0.3` or `passes.1.ratio=0.3` set in a copy of the short form. Raises `RecipeError`."""
    key, sign, text = override.partition("=")
    if not sign:
        raise RecipeError(f"cannot read --set {override!r}", help="write --set prune.ratio=0.3")
    result = copy.deepcopy(data)
    parts = _of_pass(result, key.strip().split("."))
    node: Any = result
    for depth, part in enumerate(parts[:-1]):
        node = _down(node, part, ".".join(parts[: depth + 1]))
    if not isinstance(node, dict):
        raise RecipeError(f"--set {key} does not name a field", help="write --set prune.ratio=0.3")
    node[parts[-1]] = parse_value(text)
    return result


def _of_pass(data: dict[str, Any], parts: list[str]) -> list[str]:
    """`prune.ratio` as `passes.1.ratio`, where the recipe has one pass of that name. Raises `RecipeError`."""
    steps = data.get("passes")
    if parts[0] in Recipe.model_fields or len(parts) < 2 or not isinstance(steps, list):
        return parts
    names = [_step(item, index)["name"] for index, item in enumerate(steps)]
    found = [index for index, name in enumerate(names) if name == parts[0]]
    if not found:
        known = [*names, *Recipe.model_fields]
        raise RecipeError(f"unknown field {parts[0]!r}", where="--set", help=did_you_mean(parts[0], known))
    if len(found) > 1:
        where = " or ".join(f"passes.{index}.{'.'.join(parts[1:])}" for index in found)
        raise RecipeError(f"--set {'.'.join(parts)}: there are {len(found)} such passes", help=f"write {where}")
    return ["passes", str(found[0]), *parts[1:]]


def _down(node: Any, part: str, where: str) -> Any:
    if isinstance(node, list):
        if not part.isdigit() or int(part) >= len(node):
            raise RecipeError(f"--set {where}: there is no pass number {part}", help=f"0 to {len(node) - 1}")
        index = int(part)
        step = _step(node[index], index)
        node[index] = {step["name"]: step["settings"]}
        return step["settings"]
    if isinstance(node, dict):
        return node.setdefault(part, {})
    raise RecipeError(f"--set {where} does not lead to a field")


def _step(item: Any, index: int) -> dict[str, Any]:
    if isinstance(item, str):
        return {"name": item, "settings": {}}
    if isinstance(item, dict) and len(item) == 1:
        name, settings = next(iter(item.items()))
        return {"name": name, "settings": settings or {}}
    raise RecipeError(
        "each pass is a name, or a name with settings", where=f"passes.{index}", help="write `- prune: {ratio: 0.3}`"
    )
