"""The commands `optimize`, `verify` and `measure`: their arguments and help. What they do is in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.train_app import Device


def optimize(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A recipe (name or YAML file), a workload, package.module:function, "
            "a Hugging Face folder, or an ONNX file.",
        ),
    ],
    data: Annotated[str | None, typer.Option(help="Where the data lie.")] = None,
    budget: Annotated[str | None, typer.Option(help='Limits, such as "accuracy>=-1pt, latency_p95<=5ms".')] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="One field: prune.macs=0.3, or passes.1.macs=0.3")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; runs/NAME otherwise.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Every core otherwise.")] = None,
    device: Annotated[Device | None, typer.Option(help="What trains; a GPU where there is one otherwise.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="Ranks on this machine that train together.")] = None,
    restarts: Annotated[int, typer.Option(min=0, help="With several: how often to start anew when one dies.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and what is cached; do nothing.")] = False,
) -> None:
    """Make a model fast and small inside a budget: passes, measurements, artifact, report.

    Without a recipe one is composed from what tracing finds. An interrupted run is resumed by the
    same command. Under torchrun, or with --devices, all trainings are done by several ranks.

    \b
    Examples:
      burnish optimize digits
      burnish optimize fashion-mnist --budget "accuracy>=-0.5pt, latency_p95<=2ms"
      burnish optimize recipe.yaml --set prune.macs=0.3 --dry-run
      burnish optimize my_package.models:workload --out runs/mine
      burnish optimize digits --devices 2 --set prune.recover.strategy=zero1
      burnish optimize model.onnx --data rows.parquet
    """
    from burnish.cli.optimize import optimize as body

    body(
        target,
        data=data,
        budget=budget,
        overrides=tuple(overrides or ()),
        out=out,
        seed=seed,
        threads=threads,
        device=None if device is None else device.value,
        devices=devices,
        restarts=restarts,
        dry_run=dry_run,
    )


def verify(artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="An artifact's folder.")]) -> None:
    """Check an artifact: every hash, then its stored example against its stored answer.

    \b
    Examples:
      burnish verify runs/digits/artifact
    """
    from burnish.cli.verify import verify as body

    body(artifact)


def measure(
    artifact: Annotated[list[Path], typer.Argument(metavar="ARTIFACT...", help="One or more artifact folders.")],
    threads: Annotated[int | None, typer.Option(min=1, help="As the artifact says otherwise.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Time for all rounds.")] = 20.0,
) -> None:
    """Measure latency on this machine; several artifacts side by side, as ratios to the first.

    The requests are the artifact's stored example.

    \b
    Examples:
      burnish measure runs/digits/artifact
      burnish measure runs/old/artifact runs/new/artifact
    """
    from burnish.cli.measure import measure as body

    body(artifact, threads=threads, seconds=seconds)
