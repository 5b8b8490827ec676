"""A Ray cluster: the one that RAY_ADDRESS names, else one of its own on this machine that ends with the command.

Ray itself is imported here; Ray Serve and Ray Train each in the one file that is made of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from burnish.core.errors import MissingExtra, ServiceError


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What there is in all. `own` is a Ray that was started here."""

    own: bool
    cores: float
    gpus: float


def need_ray() -> None:
    """Raises `MissingExtra` where there is no Ray; imports nothing."""
    if find_spec("ray") is None:
        raise MissingExtra("Ray is not installed", help="pip install 'burnish[ray]'")


@contextlib.contextmanager
def joined_cluster(*, cores: int | None = None) -> Iterator[Cluster]:
    """Part of a cluster for the length of the block. A Ray of its own has as many `cores`, by default the machine's.

    Raises `MissingExtra`, and `ServiceError` when the cluster does not take this process.
    """
    need_ray()
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(log_to_driver=False)
        else:
            ray.init(address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
    except ConnectionError as error:
        raise ServiceError(
            "cannot join the Ray cluster" if address else "Ray does not start",
            where=f"RAY_ADDRESS={address}" if address else "",
            why=str(error.__cause__ or error).strip().splitlines()[-1],
            help="see that it runs, and that it takes this machine's token: RAY_AUTH_MODE=token" if address else "",
        ) from error
    try:
        there = ray.cluster_resources()
        yield Cluster(own=not address, cores=there.get("CPU", 0.0), gpus=there.get("GPU", 0.0))
    finally:
        ray.shutdown()


class Mailbox:
    """Messages from any process of the cluster to the one that made this; those of one sender stay in order."""

    def __init__(self) -> None:
        import ray

        self._box = ray.remote(num_cpus=0)(_Box).remote()

    def put(self, message: Any) -> None:
        """Send, without waiting until it is there."""
        self._box.put.remote(message)

    def take(self) -> list[Any]:
        """Everything that came since. Raises `ServiceError` when the cluster is gone."""
        import ray
        from ray.exceptions import RayError

        try:
            found: list[Any] = ray.get(self._box.take.remote())
        except RayError as error:
            raise ServiceError("the Ray cluster does not answer any more", why=str(error).splitlines()[0]) from error
        return found


class _Box:
    def __init__(self) -> None:
        self._messages: list[Any] = []

    def put(self, message: Any) -> None:
        self._messages.append(message)

    def take(self) -> list[Any]:
        found, self._messages = self._messages, []
        return found
