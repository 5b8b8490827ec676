"""Before the first request: does the artifact run, how long do batches take, what may share one?

The artifact's stored example is run in the worker. Nothing about a model is taken on trust: whether
rows influence each other, and whether zeros behind a row change its answer, is tried out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.artifact.load import example_inputs
from burnish.core.errors import ArtifactError
from burnish.core.manifest import Manifest
from burnish.serve.lane import Lane, Ran
from burnish.serve.protocol.messages import Array
from burnish.serve.shapes import Arrays, Bucket, Shapes

_REPEATS = 3
_LARGER = 16
_NEIGHBOUR = 1e-3
"""How much of the outputs' spread a neighbour may change: rounding, no more."""
_PADDING = 16
"""Zeros that the example is padded with."""


@dataclass(frozen=True)
class Rehearsed:
    """What was found: how requests are put into buckets; why rows must not share a batch, "" when they may;
    and measured times: bucket, rows, seconds."""

    shapes: Shapes
    alone: str
    times: Sequence[tuple[Bucket, int, float]]


async def rehearse(lane: Lane, manifest: Manifest, max_batch: int) -> Rehearsed:
    """Run the example in every way that matters. Raises `ArtifactError` when it does not run."""
    row = {name: array[:1] for name, array in example_inputs(lane.folder).items()}
    plain = await _run(lane, row)
    shapes = await _shapes(lane, manifest, row, plain)
    alone = ""
    if max_batch > 1 and not await _independent(lane, row):
        alone = "an answer depends on the other rows of its batch (activation ranges are taken over the batch)"
    times: list[tuple[Bucket, int, float]] = []
    rows = 1
    while rows <= (1 if alone else max_batch):
        inputs = {name: np.repeat(array, rows, axis=0) for name, array in row.items()}
        bucket = shapes.bucket(inputs)
        await _run(lane, inputs, bucket)
        for _ in range(_REPEATS):
            began = time.monotonic()
            await _run(lane, inputs, bucket)
            times.append((bucket, rows, time.monotonic() - began))
        rows *= 2
    return Rehearsed(shapes, alone, times)


async def _independent(lane: Lane, row: Arrays) -> bool:
    """Whether a row's answer is the same beside itself and beside a row unlike it, in batches of one size."""
    twins = await _run(lane, {name: np.concatenate([array, array]) for name, array in row.items()})
    mixed = await _run(lane, {name: np.concatenate([array, _unlike(array)]) for name, array in row.items()})
    return all(_same(twins[name][:1], mixed[name][:1], _NEIGHBOUR) for name in twins)


async def _shapes(lane: Lane, manifest: Manifest, row: Arrays, plain: Arrays) -> Shapes:
    """Free dimensions count in steps where zeros behind a row change nothing."""
    signature = manifest.signature
    words = frozenset(signature.free_dims) - {spec.shape[0] for spec in signature.inputs}
    if not words:
        return Shapes(signature)
    stepped = Shapes(signature, words)
    larger = {
        spec.name: np.pad(row[spec.name], [(0, _PADDING if word in words else 0) for word in spec.shape])
        for spec in signature.inputs
    }
    try:
        padded = stepped.cut(await _run(lane, larger), stepped.sizes(row))
    except ArtifactError:
        return Shapes(signature)
    same = all(_same(plain[name], padded[name], manifest.tolerance) for name in plain)
    return stepped if same else Shapes(signature)


async def _run(lane: Lane, inputs: Arrays, bucket: Bucket | None = None) -> Arrays:
    """Outputs of one batch, copied. Raises `ArtifactError`."""
    done: asyncio.Future[tuple[Ran, Arrays]] = asyncio.get_running_loop().create_future()

    def heard(ran: Ran) -> None:
        done.set_result((ran, {name: array.copy() for name, array in ran.outputs.items()}))

    own = tuple((name, array.shape[1:]) for name, array in inputs.items())
    lane.run(bucket or own, {name: [array] for name, array in inputs.items()}, heard)
    ran, outputs = await done
    if ran.error:
        raise ArtifactError("the example does not run", where=str(lane.folder), why=ran.error)
    return outputs


def _unlike(array: Array) -> Array:
    """A row of the same kind with other values: numbers far larger, as any client may send; codes in another order."""
    if array.dtype.kind == "f":
        return (_LARGER * array).astype(array.dtype)
    return np.ascontiguousarray(array[..., ::-1]) if array.ndim > 1 else array


def _same(one: Array, other: Array, tolerance: float) -> bool:
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    left, right = one.astype(np.float64), other.astype(np.float64)
    return bool(np.abs(left - right).max(initial=0.0) <= max(tolerance * float(left.std()), 1e-6))
