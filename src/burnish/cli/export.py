"""`burnish export`: artifacts in the form that another server takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from burnish.artifact.triton.tuning import Tuning, tune
from burnish.artifact.triton.write import Exported, check_place
from burnish.artifact.triton.write import export as write
from burnish.cli.terminal.console import print_line, print_note
from burnish.core.errors import UnknownName, did_you_mean
from burnish.serve.learn import learn
from burnish.serve.repository import find_models

_FORMS = ("triton",)


def export(
    paths: Sequence[Path], *, to: str, out: Path, target_ms: float | None, max_batch: int, instances: int
) -> None:
    """Body of the command. Raises `BurnishError`."""
    if to not in _FORMS:
        raise UnknownName(f"unknown form {to!r}", where="--to", help=did_you_mean(to, _FORMS))
    check_place(out)
    target_s = None if target_ms is None else target_ms / 1000
    models = {
        name: Exported(versions, _tuning(name, versions, max_batch, target_s, instances))
        for name, versions in find_models(paths).items()
    }
    needed = write(models, out)
    for name, model in models.items():
        chosen = model.tuning
        print_line(
            f"{name}: versions {', '.join(model.versions)}; batches of up to {chosen.max_batch}, preferred "
            f"{', '.join(map(str, chosen.preferred)) or 'none'}, held up to {chosen.delay_us / 1000:g} ms"
        )
    print_line(f"in Triton's Python: pip install {' '.join(repr(item) for item in needed)}")
    print_line(f"then: tritonserver --model-repository={out.resolve()}")


def _tuning(name: str, versions: Mapping[str, Path], max_batch: int, target_s: float | None, instances: int) -> Tuning:
    """One setting for all versions, from the slowest of them at every size."""
    known = []
    for version, folder in versions.items():
        learned = learn(folder, max_batch)
        if learned.alone:
            print_note(f"{name} {version}: every request alone: {learned.alone}")
        print_note(f"{name} {version}: times of {learned.num_batches} batches")
        known.append(learned)
    rows = 1 if any(learned.alone for learned in known) else max_batch
    return tune(
        lambda size: max(learned.seconds(size) for learned in known), rows, target_s=target_s, instances=instances
    )
