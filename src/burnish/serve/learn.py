"""How long an artifact's batches take on this machine: remembered from serving it, and measured now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burnish.serve.batch import Limits
from burnish.serve.engine import Engine
from burnish.serve.profile import Profile

_TARGET_S = 30.0


@dataclass(frozen=True)
class Learned:
    """`seconds(rows)` of the slowest shape that is known; why rows must not share a batch, "" when they may;
    and how many batches that was learned from."""

    seconds: Callable[[int], float]
    alone: str
    num_batches: int


def learn(folder: Path, max_batch: int, *, threads: int | None = None) -> Learned:
    """Start the artifact once, as a service does, take what it knows, and end it. Raises `ArtifactError`."""
    return asyncio.run(_learn(Engine(folder, Limits(max_batch=max_batch), target_s=_TARGET_S, threads=threads)))


async def _learn(engine: Engine) -> Learned:
    await engine.start()
    await engine.stop()
    profile = Profile(engine.limits.max_batch)
    observed = engine.profile.observed()
    for item in observed:
        for seconds in item.seconds:
            profile.observe(item.bucket, item.rows, seconds)
    return Learned(lambda rows: profile.of("any").tail(rows), engine.alone, sum(len(item.seconds) for item in observed))
