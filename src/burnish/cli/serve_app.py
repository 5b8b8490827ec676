"""The commands `serve`, `load` and `export`: their arguments and help. What they do is in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
