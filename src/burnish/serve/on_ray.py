"""`burnish serve --on ray`: replicas of the service on a Ray cluster, with Ray Serve in front.

Ray Serve is imported here and nowhere else. It starts replicas, watches them, spreads requests over them and scales
their number; inside each one Burnish's scheduler makes the batches.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from burnish.artifact.load import check_files, read_manifest
from burnish.core.errors import RecipeError, ServiceError
from burnish.core.ray_cluster import joined_cluster, need_ray
from burnish.serve.keys import Keys
from burnish.serve.learn import learn
from burnish.serve.replica import Replica
from burnish.serve.replicas import Replicas, ongoing
from burnish.serve.repository import Models, find_models
from burnish.serve.run import Options
from burnish.serve.settle import settle

NAME = "burnish"
_UP_S, _DOWN_S, _LOOK_S = 5.0, 120.0, 10.0
"""How long the load must be high, or low, before the number of replicas follows; and over how long it is averaged."""


def serve(paths: Sequence[Path], options: Options, replicas: Replicas, say: Callable[[str], None]) -> None:
    """Deploy, wait for SIGTERM or Ctrl-C, take it down.

    The environment's RAY_ADDRESS names a cluster; without it a Ray of its own starts on this machine. Raises
    `ArtifactError`, `MissingExtra`, `RecipeError`, `ServiceError`.
    """
    need_ray()
    models = {
        name: {version: folder.resolve() for version, folder in versions.items()}
        for name, versions in find_models(paths).items()
    }
    keys = Keys.read(options.api_keys)
    cores = _cores(models, options)
    _check_all(models)
    settings: dict[str, Any] = {"num_replicas": replicas.low}
    if replicas.high > replicas.low:
        say("measuring, to know when a replica is busy")
        settings = {"autoscaling_config": _autoscaling(models, options, replicas)}

    with joined_cluster() as cluster:
        if cluster.own:
            _fits(cluster.cores, cores, replicas)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        try:
            _start(options, say)
            _deploy(models, options, keys, settings | {"ray_actor_options": {"num_cpus": cores}})
            say("ready")
            ended.wait()
        finally:
            _take_down()


def _start(options: Options, say: Callable[[str], None]) -> None:
    """Ray Serve with its proxy, unless it runs already."""
    from ray import serve as engine

    if engine.status().proxies:
        say("Ray Serve runs on this cluster already: its own address, port and TLS count")
        return
    address = {
        "host": options.host,
        "port": options.port,
        "ssl_certfile": options.tls_certificate and str(options.tls_certificate),
        "ssl_keyfile": options.tls_key and str(options.tls_key),
    }
    try:
        engine.start(http_options=address)
    except RuntimeError as error:  # its text ends with the cause, after the stack of another process
        cause = str(error).strip().splitlines()[-1]
        fix = "give another --port or --host"
        raise ServiceError("Ray Serve could not start its proxy", why=cause, help=fix) from error
    say(f"listening on http{'s' if options.tls_key else ''}://{options.host}:{options.port}/v2")


def _deploy(models: Models, options: Options, keys: Keys, settings: dict[str, Any]) -> None:
    from ray import serve as engine

    class Host:
        """Starts the models in the constructor, whose error Ray tells, and gives Ray the application."""

        async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it
            self.replica = Replica(models, options, keys)
            await self.replica.start()
            settle()

        def __serve_build_asgi_app__(self) -> Replica:
            return self.replica

    deployment = engine.deployment(
        engine.ingress()(Host),
        name=NAME,
        max_ongoing_requests=options.limits.max_queue,  # Burnish's scheduler sees them all, and refuses
        max_queued_requests=options.limits.max_queue,
        graceful_shutdown_timeout_s=options.drain_s,
        **settings,
    )
    try:
        engine.run(deployment.bind(), name=NAME, route_prefix="/")
    except RuntimeError as error:
        states = engine.status().applications[NAME].deployments.values()
        raise ServiceError(
            "Ray Serve could not start a replica",
            why="; ".join("\n".join(state.message.strip().splitlines()[-4:]) for state in states) or str(error),
            help="every node needs burnish and the artifacts, in the same folders",
        ) from error


def _take_down() -> None:
    """Answer what waits, then end the replicas; Serve itself stays where others have applications."""
    from ray import serve as engine

    engine.delete(NAME)
    if not engine.status().applications:
        engine.shutdown()


def _check_all(models: Models) -> None:
    """A damaged artifact is found here in no time; Ray would try three times to start a replica. `ArtifactError`."""
    for versions in models.values():
        for folder in versions.values():
            check_files(folder, read_manifest(folder))


def _cores(models: Models, options: Options) -> int:
    """What a replica reserves: the cores that its largest model uses."""
    threads = (read_manifest(folder).threads for versions in models.values() for folder in versions.values())
    return options.limits.instances * (options.threads or max(threads))


def _fits(cores: float, each: int, replicas: Replicas) -> None:
    if each * replicas.low > cores:
        raise RecipeError(
            f"{replicas.low} replicas of {each} cores do not fit on this machine, it has {cores:g}",
            where="--replicas",
            help="give fewer --replicas, --instances or --threads, or name a cluster in RAY_ADDRESS",
        )


def _autoscaling(models: Models, options: Options, replicas: Replicas) -> dict[str, Any]:
    """The model that is busy with the fewest requests decides."""
    target_s = options.latency_target_ms and options.latency_target_ms / 1000
    limits = options.limits
    found = []
    for versions in models.values():
        for folder in versions.values():
            learned = learn(folder, limits.max_batch, threads=options.threads)
            rows = 1 if learned.alone else limits.max_batch
            found.append(ongoing(learned.seconds, rows, limits.instances, target_s))
    return {
        "min_replicas": replicas.low,
        "max_replicas": replicas.high,
        "target_ongoing_requests": min(found),
        "upscale_delay_s": _UP_S,
        "downscale_delay_s": _DOWN_S,
        "look_back_period_s": _LOOK_S,
    }
