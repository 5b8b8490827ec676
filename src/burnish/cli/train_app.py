"""The commands `train` and `plan`: their arguments and help. What they do is in files of their own."""

from __future__ import annotations

import enum
from typing import Annotated

import typer


class Device(enum.StrEnum):
    """What trains."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def train(
    target: Annotated[str, typer.Argument(metavar="MODEL", help="As for `burnish optimize`.")],
    data: Annotated[str | None, typer.Option(help="Where the data lie.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One field: passes.0.epochs=3")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    device: Annotated[Device | None, typer.Option(help="What trains; a GPU where there is one otherwise.")] = None,
    strategy: Annotated[
        str, typer.Option(help="`burnish list strategies`; the least sharding that fits otherwise.")
    ] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Ranks to start, on this machine unless --on.")] = 1,
    restarts: Annotated[int, typer.Option(min=0, help="With --devices: how often to start anew.")] = 0,
    on: Annotated[str | None, typer.Option(help="ray: ranks on a Ray cluster, or on a Ray of its own.")] = None,
) -> None:
    """Train as the recipe's first pass says, on one or many devices; `burnish optimize` then goes on from there.

    Under torchrun this is one of its ranks; --devices starts ranks on this machine,
    with --on ray on a cluster.

    \b
    Examples:
      burnish train digits --devices 2
      torchrun --nproc-per-node 4 -m burnish train fashion-mnist --strategy zero2
      RAY_ADDRESS=auto burnish train digits --devices 4 --on ray
    """
    from burnish.cli.train import train as body

    body(
        target,
        data=data,
        overrides=tuple(overrides or ()),
        seed=seed,
        device=None if device is None else device.value,
        strategy=strategy,
        devices=devices,
        restarts=restarts,
        on=on,
    )


def plan(
    target: Annotated[
        str, typer.Argument(metavar="MODEL", help="A workload, or a folder or file with a Hugging Face config.json.")
    ],
    devices: Annotated[int, typer.Option(min=1, help="Ranks that train together.")] = 1,
    memory: Annotated[str, typer.Option(help="Of one device: 24GiB.")] = "24GiB",
    optimizer: Annotated[
        str | None, typer.Option(help="`burnish list optimizers`, or auto; by default the workload's.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows of a step on all devices together.")] = None,
    length: Annotated[int, typer.Option(min=1, help="Tokens of a row, for a config.json.")] = 2048,
    data: Annotated[str | None, typer.Option(help="Where a workload's data lie.")] = None,
) -> None:
    """Predict what a training holds in memory under each strategy; pick the least sharding and the optimizer that fit.

    Nothing is allocated: a config.json of ten billion parameters takes seconds. Activations are those of fp32.

    \b
    Examples:
      burnish plan digits --devices 4 --memory 24GiB
      burnish plan llama/config.json --devices 8 --memory 80GB --optimizer lion
    """
    from burnish.cli.plan import plan as body

    body(
        target,
        devices=devices,
        memory=memory,
        optimizer=optimizer,
        batch_size=batch_size,
        length=length,
        data=data,
    )
