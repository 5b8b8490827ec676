"""`burnish serve`: artifacts as a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.cli.terminal.console import print_note
from burnish.core.errors import RecipeError, UnknownName, did_you_mean
from burnish.serve.run import Options
from burnish.serve.run import serve as run

_HOSTS = ("ray",)


def serve(paths: Sequence[Path], *, on: str | None, replicas: str | None, **settings: Any) -> None:
    """Body of the command; ends on SIGTERM or Ctrl-C. Raises `BurnishError`."""
    options = Options.parse(settings, where="serve")
    if on is None:
        if replicas is not None:
            raise RecipeError("replicas need a cluster", where="--replicas", help="add --on ray, or give --instances")
        run(paths, options, print_note)
        return
    if on not in _HOSTS:
        raise UnknownName(f"unknown engine {on!r}", where="--on", help=did_you_mean(on, _HOSTS))
    from burnish.serve.on_ray import serve as run_on_ray
    from burnish.serve.replicas import Replicas

    run_on_ray(paths, options, Replicas.read(replicas or "1"), print_note)
