"""The command `burnish`. typer is imported here, in `data_app` and `train_app`; what a command does is in its own file.

A new command is one function below: its arguments, its help with examples, and a call. Bodies are
imported inside the functions, so `burnish --help` loads no library that is slow to load. Exit
codes: 0 done, 1 an error that was explained, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from burnish.cli.data_app import app as data_app
from burnish.cli.train_app import Device, plan, train
from burnish.core.errors import BurnishError


class _Commands(TyperGroup):
    """Turns errors into messages with a fix, and Ctrl-C into a friendly line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BurnishError as error:
            from burnish.cli.console import print_error

            print_error(error)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            from burnish.cli.console import print_note

            print_note("interrupted: run the same command again to resume")
            raise typer.Exit(130) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order they are written here."""
        del ctx
        return list(self.commands)


app = typer.Typer(
    name="burnish",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Make a PyTorch model that works fast and small, and prove it.",
    epilog="Begin with: burnish doctor, burnish list workloads, burnish optimize digits",
)


app.add_typer(data_app, name="data")


def main() -> None:
    """Entry point of the console script."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"burnish {version('burnish')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Holds the options that stand before any command."""
    del version


@app.command()
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


app.command()(train)
app.command()(plan)


@app.command()
def verify(artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="An artifact's folder.")]) -> None:
    """Check an artifact: every hash, then its stored example against its stored answer.

    \b
    Examples:
      burnish verify runs/digits/artifact
    """
    from burnish.cli.verify import verify as body

    body(artifact)


@app.command()
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


@app.command()
def serve(
    artifacts: Annotated[
        list[Path], typer.Argument(metavar="ARTIFACT...", help="Artifact folders, or repositories of MODEL/VERSION.")
    ],
    latency_target_ms: Annotated[
        float | None, typer.Option(min=0.1, help="Answer within this time, or refuse at once.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of HTTP.")] = 8000,
    grpc_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Of gRPC.")] = 8001,
    max_batch: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 32,
    max_wait_ms: Annotated[float | None, typer.Option(min=0, help="Hold batches this long; learned otherwise.")] = None,
    max_queue: Annotated[int, typer.Option(min=1, help="Requests waiting; more are refused.")] = 1024,
    instances: Annotated[int, typer.Option(min=1, help="Worker processes of every model.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a worker; as the artifact says otherwise.")] = None,
    max_body_mb: Annotated[int, typer.Option(min=1, help="Largest request.")] = 64,
    api_keys: Annotated[Path | None, typer.Option(help="File, one key a line: requests must bring one.")] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file.")] = None,
    forget_rollouts: Annotated[
        bool, typer.Option("--forget-rollouts", help="Begin with the files: leave out what was set over HTTP before.")
    ] = False,
    on: Annotated[str | None, typer.Option(help="ray: replicas on a Ray cluster, REST only.")] = None,
    replicas: Annotated[str | None, typer.Option(metavar="MIN:MAX", help="With --on ray: how many.")] = None,
) -> None:
    """Serve artifacts over the Open Inference Protocol, with batches that answer in time.

    MODEL/rollout.yaml in a repository names versions and tries new ones: labels, canary, shadow, a gate that decides.

    \b
    Examples:
      burnish serve runs/digits/artifact --latency-target-ms 35
      burnish serve models/ --max-batch 16 --instances 2
      burnish serve models/ --on ray --replicas 1:4
      curl http://127.0.0.1:8000/v2/models/digits
      curl http://127.0.0.1:8000/metrics
      curl http://127.0.0.1:8000/v2/repository/models/digits/rollout -d '{"candidate": 4, "weight": 0.1}'
    """
    from burnish.cli.serve import serve as body

    body(
        artifacts,
        on=on,
        replicas=replicas,
        host=host,
        port=port,
        grpc_port=grpc_port,
        latency_target_ms=latency_target_ms,
        threads=threads,
        max_body=max_body_mb << 20,
        api_keys=api_keys,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        forget_rollouts=forget_rollouts,
        limits={"max_batch": max_batch, "max_wait_ms": max_wait_ms, "max_queue": max_queue, "instances": instances},
    )


@app.command()
def load(
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the service: http://127.0.0.1:8000")],
    model: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Requests per second: 50,100,200. Otherwise doubled until the knee.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each rate.")] = 10.0,
    deadline_ms: Annotated[float, typer.Option(min=0.1, help="An answer later than this does not count.")] = 35.0,
    pattern: Annotated[str, typer.Option(help="poisson, bursts, or a CSV file with a column TIMESTAMP.")] = "poisson",
    sizes: Annotated[str, typer.Option(help="Of free dimensions, mixed: 16,64,128")] = "",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write a page with plots: load.html")] = None,
) -> None:
    """Put an open-loop load on a service: how many requests a second are answered in time.

    Latency counts from the moment a request is due. The last line is one JSON document.

    \b
    Examples:
      burnish load http://127.0.0.1:8000
      burnish load http://127.0.0.1:8000 --rates 50,100,200 --deadline-ms 20 --out load.html
      burnish load http://127.0.0.1:8000 --pattern trace.csv --sizes 16,64,128
    """
    from burnish.cli.load import load as body

    body(
        url,
        model=model,
        rates=rates,
        seconds=seconds,
        deadline_ms=deadline_ms,
        pattern=pattern,
        sizes=sizes,
        seed=seed,
        out=out,
    )


@app.command()
def export(
    artifacts: Annotated[
        list[Path], typer.Argument(metavar="ARTIFACT...", help="Artifact folders, or repositories of MODEL/VERSION.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; replaced only if this command wrote it.")],
    to: Annotated[str, typer.Option(help="triton: a model repository of Triton Inference Server.")] = "triton",
    latency_target_ms: Annotated[
        float | None, typer.Option(min=0.1, help="Prefer only batches that end within this time.")
    ] = None,
    max_batch: Annotated[int, typer.Option(min=1, help="Rows of a batch.")] = 32,
    instances: Annotated[int, typer.Option(min=1, help="Processes of every model version.")] = 1,
) -> None:
    """Write artifacts in the form that another server takes.

    Its batching settings come from the times that serving the artifact on this machine has taught, and from
    a short measurement now.

    \b
    Examples:
      burnish export runs/digits/artifact --to triton --out triton-models
      burnish export models/ --to triton --out triton-models --latency-target-ms 35
    """
    from burnish.cli.export import export as body

    body(artifacts, to=to, out=out, target_ms=latency_target_ms, max_batch=max_batch, instances=instances)


@app.command("list")
def list_parts(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="One list, e.g. passes; all without.")] = None,
) -> None:
    """Show what can be used, by name.

    \b
    Examples:
      burnish list
      burnish list backends
    """
    from burnish.cli.listing import show_list

    show_list(kind)


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A name from `burnish list`, or kind/name.")],
    groups: Annotated[bool, typer.Option("--groups", help="Of a model: what can be pruned, and what not.")] = False,
    data: Annotated[str | None, typer.Option(help="With --groups: where the data lie.")] = None,
) -> None:
    """Print the card of one part with its settings, or what can be pruned in a model.

    \b
    Examples:
      burnish explain prune
      burnish explain criteria/random
      burnish explain recipes/digits
      burnish explain digits --groups
      burnish explain schedule
    """
    if groups:
        from burnish.cli.groups import show_groups

        show_groups(what, data)
        return
    from burnish.cli.listing import show_card

    show_card(what)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Show what this machine can do, and what it lacks.

    \b
    Examples:
      burnish doctor
      burnish doctor --json
    """
    from burnish.cli.doctor import show_doctor

    show_doctor(as_json=as_json)


def help_texts() -> dict[str, str]:
    """The help of every command, as a terminal of 100 columns shows it; `data convert` is one in a group."""
    group = typer.main.get_command(app)
    texts: dict[str, str] = {}
    with group.make_context("burnish", [], resilient_parsing=True) as top:
        waiting = [(name, command, top) for name, command in group.commands.items()]  # type: ignore[attr-defined]
        while waiting:
            name, command, parent = waiting.pop(0)
            short = name.rpartition(" ")[2]
            with command.make_context(short, [], parent=parent, resilient_parsing=True, max_content_width=100) as ctx:
                inner = command.commands if isinstance(command, TyperGroup) else {}
                waiting = [*((f"{name} {key}", part, ctx) for key, part in inner.items()), *waiting]
                texts |= {} if inner else {name: command.get_help(ctx)}
    return texts
