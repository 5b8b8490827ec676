"""From folders to a service that listens: `burnish serve`. uvicorn and uvloop are imported here and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import uvicorn
import uvloop

from burnish.core.errors import RecipeError
from burnish.core.noun import Field, Noun, model_validator
from burnish.serve.cores import Cores
from burnish.serve.engine import Engine
from burnish.serve.grpc.server import start_server
from burnish.serve.http.app import App
from burnish.serve.http.pages import home, openapi
from burnish.serve.keys import Keys
from burnish.serve.metrics import Metrics
from burnish.serve.repository import find_models
from burnish.serve.rollout.rollouts import Rollouts
from burnish.serve.scheduler import Limits
from burnish.serve.service import Service


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
    limits: Limits = Field(default_factory=Limits)

    @model_validator(mode="after")
    def _both_or_none(self) -> Options:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self


class _Server(uvicorn.Server):
    """Ends on SIGTERM and Ctrl-C by returning, so that what waits is answered; uvicorn's own would end the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let both signals ask for the end while the server runs."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGINT, signal.SIGTERM)
        for number in caught:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)


NO_TARGET_S = 30.0
"""Time that a request has where nobody named a target."""


def serve(paths: Sequence[Path], options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what waits. Raises `ArtifactError`."""
    find_models(paths)
    with _bound(options.host, options.port) as door, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(paths, options, door, say))


async def _serve(paths: Sequence[Path], options: Options, door: socket.socket, say: Callable[[str], None]) -> None:
    metrics = Metrics(options.latency_target_ms)
    target = options.latency_target_ms / 1000 if options.latency_target_ms else NO_TARGET_S

    cores = Cores.of_machine()

    def make(model: str, version: str, folder: Path) -> Engine:
        watch = metrics.watch(model, version, instances=options.limits.instances)
        return Engine(folder, options.limits, target_s=target, threads=options.threads, watch=watch, cores=cores)

    service = Service(partial(find_models, paths), make, Rollouts(make, metrics.watch_rollouts(), say))
    metrics.show_versions(service.index)
    say("starting")
    await service.start()
    for name, versions in service.engines.items():
        for version, engine in versions.items():
            say(f"{name} {version}: {(engine.alone and 'every request alone: ' + engine.alone) or 'ready'}")
            say(f"{name} {version}: workers on cores {' and '.join(','.join(map(str, own)) for own in engine.cores)}")
    if cores.crowded:
        say("several workers share a core; --threads 1 or fewer --instances keep them apart")
    keys = Keys.read(options.api_keys)
    app = App(
        service,
        max_body=options.max_body,
        keys=keys,
        pages={"/": home, "/openapi.json": openapi, "/metrics": metrics.page},
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=options.max_connections,
        timeout_graceful_shutdown=max(1, round(options.drain_s)),
        lifespan="off",
        server_header=False,
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=options.tls_key,
        date_header=False,
    )
    grpc = None
    try:
        if options.grpc_port is not None:
            address = f"{options.host}:{options.grpc_port}"
            tls = _tls(options)
            grpc, port = await start_server(service, address, max_body=options.max_body, keys=keys, tls=tls)
            say(f"listening on grpc://{options.host}:{port}")
        say(f"listening on http{'s' if options.tls_key else ''}://{options.host}:{door.getsockname()[1]}/v2")
        await _Server(config).serve(sockets=[door])
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


def _tls(options: Options) -> tuple[bytes, bytes] | None:
    """Key and certificate. Raises `RecipeError` when a file cannot be read."""
    if options.tls_key is None or options.tls_certificate is None:
        return None
    try:
        return options.tls_key.read_bytes(), options.tls_certificate.read_bytes()
    except OSError as error:
        raise RecipeError("a TLS file cannot be read", where=str(error.filename), why=str(error.strerror)) from None
