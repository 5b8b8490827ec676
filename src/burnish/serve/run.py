"""From folders to a service that listens: `burnish serve`. uvloop is imported here and nowhere else."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvloop

from burnish.core.errors import RecipeError
from burnish.core.noun import Field, Noun
from burnish.serve.batch import Limits
from burnish.serve.cores import Cores
from burnish.serve.engine import Engine
from burnish.serve.grpc.server import start_server
from burnish.serve.http.app import App
from burnish.serve.http.door import Door
from burnish.serve.http.pages import home, openapi
from burnish.serve.http.patience import Patience
from burnish.serve.http.server import Server
from burnish.serve.keys import Keys
from burnish.serve.metrics.counts import RolloutCounts, VersionCounts
from burnish.serve.metrics.metrics import Metrics
from burnish.serve.repository import find_models
from burnish.serve.rollout.rollouts import Rollouts
from burnish.serve.rollout.settings import read_rollout
from burnish.serve.rollout.standing import forget, place
from burnish.serve.room import Room
from burnish.serve.service import Service
from burnish.serve.settle import settle
from burnish.serve.tls import Tls, read_tls


class Options(Noun):
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    grpc_port: int | None = Field(default=8001, ge=0, le=65535, description="None: no gRPC")
    latency_target_ms: float | None = Field(default=None, gt=0, description="deadline of a request without its own")
    threads: int | None = Field(default=None, ge=1, description="of a worker; None: as the artifact was measured")
    max_body: int = Field(default=64 << 20, ge=1024, description="bytes of a request")
    max_connections: int = Field(default=4096, ge=1)
    tls_certificate: Path | None = Field(default=None, description="PEM file; with tls_key")
    tls_key: Path | None = Field(default=None, description="PEM file")
    api_keys: Path | None = Field(default=None, description="file with one key a line; requests must bring one")
    drain_s: float = Field(default=30.0, ge=0, description="time to answer what waits when it is told to end")
    forget_rollouts: bool = Field(default=False, description="what was set over HTTP before counts no more")
    limits: Limits = Field(default_factory=Limits)
    patience: Patience = Field(default_factory=Patience, description="time and room for a client's part")

    def room(self) -> Room:
        """What the requests of all clients together may take."""
        return Room(_BODIES * self.max_body)

    @property
    def target_s(self) -> float:
        """Time that a request has which names none."""
        return self.latency_target_ms / 1000 if self.latency_target_ms else _NO_TARGET_S


_BODIES = 16
"""Largest requests that may be held at once."""

_OTHER_FILES = 256
"""Open files that are not connections."""

_NO_TARGET_S = 30.0
"""Time that a request has where nobody named a target."""


def serve(paths: Sequence[Path], options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what waits. Raises `ArtifactError`, `RecipeError`."""
    for model, versions in find_models(paths).items():
        read_rollout(versions)
        if options.forget_rollouts:
            forget(place(model, versions))
    keys = Keys.read(options.api_keys)
    tls = read_tls(options.tls_certificate, options.tls_key)
    with _bound(options.host, options.port) as door, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(paths, options, keys, tls, door, say))


async def _serve(
    paths: Sequence[Path],
    options: Options,
    keys: Keys,
    tls: Tls | None,
    door: socket.socket,
    say: Callable[[str], None],
) -> None:
    metrics = Metrics(options.latency_target_ms)
    cores = Cores.of_machine()

    def make(model: str, version: str, folder: Path) -> Engine:
        observer = VersionCounts(metrics, model, version, instances=options.limits.instances)
        return Engine(
            folder, options.limits, target_s=options.target_s, threads=options.threads, observer=observer, cores=cores
        )

    service = Service(partial(find_models, paths), make, Rollouts(make, RolloutCounts(metrics), say, keep=True))
    metrics.show_versions(service.index)
    say("starting")
    await service.start()
    for name, versions in service.engines.items():
        for version, engine in versions.items():
            say(f"{name} {version}: {(engine.alone and 'every request alone: ' + engine.alone) or 'ready'}")
            say(f"{name} {version}: workers on cores {' and '.join(','.join(map(str, own)) for own in engine.cores)}")
    if cores.crowded:
        say("workers share cores: fewer models, --instances or --threads keep them apart")
    room = options.room()
    metrics.show_room(room)
    app = App(
        service,
        max_body=options.max_body,
        room=room,
        keys=keys,
        pages={"/": home, "/openapi.json": openapi, "/metrics": metrics.page},
    )
    most = _room(options.max_connections)
    grpc = None
    try:
        if options.grpc_port is not None:
            address = f"{options.host}:{options.grpc_port}"
            grpc, port = await start_server(
                service, address, max_body=options.max_body, room=room, keys=keys, tls=tls, most=most
            )
            say(f"listening on grpc://{options.host}:{port}")
        say(f"listening on http{'s' if tls else ''}://{options.host}:{door.getsockname()[1]}/v2")
        entrance = Door(options.patience, most=most, max_body=options.max_body)
        settle()
        await Server(app, entrance, tls=tls, drain_s=options.drain_s).serve(sockets=[door])
    finally:
        if grpc is not None:
            await grpc.stop(options.drain_s)
        await service.stop()


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens, before any model is loaded. Raises `RecipeError`."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RecipeError(
            "cannot listen there", where=f"{host}:{port}", why=str(error.strerror), help="give another --port or --host"
        ) from None


def _room(wanted: int) -> int:
    """How many connections of each protocol there may be: open files are raised to what the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + _OTHER_FILES
    if soft < needed:
        soft = min(needed, hard) if hard != resource.RLIM_INFINITY else needed
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, (soft - _OTHER_FILES) // 2))
