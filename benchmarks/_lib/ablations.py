"""Ablations: the shipped recipe with parts left out or exchanged, each run through the pipeline.

Three questions: what does each pass bring alone, and all together; does a criterion beat chance;
what does learning from the uncompressed model bring. Runs share the cached base. Only eager and
OpenVINO are compared, for a short time: what counts here are differences of many percent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import BurnishError
from burnish.core.evidence import Ledger
from burnish.core.progress import Progress
from burnish.pipeline.recipe import Recipe, load_recipe, recipe_from
from burnish.pipeline.run import run
from burnish.workloads.registry import get

CRITERIA = ("l1", "l2", "taylor", "bn-scale", "fpgm", "random")
_ANY_ACCURACY = "{metric}>=-100pt"


def variants(short: dict[str, Any], metric: str, epochs: float | None = None) -> dict[str, dict[str, Any]]:
    """Name -> recipe in the short form. `epochs` shortens every recovery.

    The runs about criteria and teachers may lose any amount of accuracy: what is wanted is how much
    they lose, not whether a gate catches it.
    """
    passes = [_named(item) for item in short["passes"]]
    if epochs is not None:
        for name, settings in passes:
            if name in ("prune", "quantize"):
                settings["recover"] = {**settings.get("recover", {}), "epochs": epochs}
    loose = {"budget": _ANY_ACCURACY.format(metric=metric)}
    first = [item for item in passes if item[0] == "fit"]
    rest = [item for item in passes if item[0] != "fit"]
    found = {f"only {name}": _with(short, [*first, (name, settings)]) for name, settings in rest}
    found["all together"] = _with(short, passes)
    for name, settings in rest:
        if name == "prune":
            for criterion in CRITERIA:
                changed = settings | {"criterion": criterion}
                found[f"prune by {criterion}"] = _with(short, [*first, (name, changed)]) | loose
    without = [(name, _without_teacher(name, settings)) for name, settings in passes if name != "distill"]
    found["with the teacher"] = _with(short, passes) | loose
    found["without a teacher"] = _with(short, without) | loose
    return found


def ablate(
    workload_name: str, overrides: tuple[str, ...], threads: int, epochs: float | None, progress: Progress
) -> list[dict[str, Any]]:
    """Run every variant; one plain row each. A run that fails says why."""
    recipe = load_recipe(workload_name, overrides)
    workload = get(recipe.workload, **recipe.settings)
    rows = []
    for name, short in variants(recipe.to_dict(), workload.metric.name, epochs).items():
        progress.say(f"ablation: {name}")
        short["compile"] = {**short.get("compile", {}), "backends": ["eager", "openvino"], "seconds": 15.0}
        changed: Recipe = recipe_from(short).model_copy(update={"threads": threads})
        with tempfile.TemporaryDirectory() as scratch:
            try:
                result = run(changed, workload, out=Path(scratch) / "out", progress=progress)
            except BurnishError as error:
                rows.append({"name": name, "error": str(error)})
                continue
        rows.append({"name": name, **_row(result.ledger)})
    return rows


def text_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for people."""
    lines = [f"{'ablation':<24}{'validation':>11}{'test':>9}{'points':>9}{'faster':>9}{'smaller':>9}  stages"]
    for row in rows:
        if "error" in row:
            lines.append(f"{row['name']:<24}{row['error'].splitlines()[0]}")
            continue
        stages = ", ".join(f"{stage['pass']} {stage['validation']:.4f} {stage['verdict']}" for stage in row["stages"])
        lines.append(
            f"{row['name']:<24}{row['validation']:>11.4f}{row['test']:>9.4f}{100 * row['difference']['value']:>+9.2f}"
            f"{row['faster']['value']:>8.2f}x{row['smaller']:>8.2f}x  {stages}"
        )
    return "\n".join(lines)


def _row(ledger: Ledger) -> dict[str, Any]:
    best = ledger.best
    faster = next(iter(best.speedup.values()))
    return {
        "chosen": best.label,
        "validation": None if best.validation is None else best.validation.value,
        "test": None if best.test is None else best.test.value,
        "difference": None if best.test_delta is None else best.test_delta.model_dump(mode="json"),
        "faster": faster.model_dump(mode="json"),
        "smaller": best.smaller,
        "parameters": best.parameters,
        "stages": [
            {
                "pass": row.pass_name,
                "verdict": row.verdict,
                "reason": row.reason,
                "validation": row.measured["validation"].value if "validation" in row.measured else float("nan"),
                "before recovery": row.notes.get("score before recovery"),
                "seconds": row.seconds,
            }
            for row in ledger.stages
        ],
    }


def _named(item: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(item, str):
        return item, {}
    ((name, settings),) = item.items()
    return name, dict(settings or {})


def _with(short: dict[str, Any], passes: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return short | {"passes": [{name: settings} if settings else name for name, settings in passes]}


def _without_teacher(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    if name not in ("prune", "quantize"):
        return settings
    return settings | {"recover": {**settings.get("recover", {}), "teacher": False}}
