"""Sends requests when they are due. aiohttp is imported here and nowhere else."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import numpy as np

from burnish.core.errors import BadRequest, ServiceError
from burnish.serve.load.summary import Reply
from burnish.serve.protocol.datatypes import numpy_type, to_bytes
from burnish.serve.protocol.rest import HEADER_LENGTH, dump_json

Body = tuple[bytes, dict[str, str]]
"""A request and its headers."""


async def run(
    url: str, bodies: Sequence[Body], due: Sequence[float], *, patience_s: float, tell: Callable[[int], None]
) -> list[Reply]:
    """Send `bodies` in turn, one at each moment of `due`. `tell` hears of each that is done.

    Nothing holds a request back: neither a connection limit nor one that is still on its way.
    """
    replies: list[Reply] = []
    timeout = aiohttp.ClientTimeout(total=patience_s)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        start = time.monotonic() + 0.05

        async def one(moment: float, body: Body) -> None:
            status = 0
            try:
                async with session.post(url, data=body[0], headers=body[1]) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError):
                pass
            replies.append(Reply(due=moment, done=time.monotonic() - start, status=status))
            tell(1)

        tasks: set[asyncio.Task[None]] = set()
        for number, moment in enumerate(due):
            wait = start + moment - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.ensure_future(one(moment, bodies[number % len(bodies)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    return replies


async def describe(url: str) -> dict[str, Any]:
    """A model's metadata. Raises `ServiceError`."""
    found: dict[str, Any] = await _ask("GET", url)
    return found


async def model_names(url: str) -> list[str]:
    """Names of all models in a repository index. Raises `ServiceError`."""
    return sorted({item["name"] for item in await _ask("POST", url)})


async def _ask(method: str, url: str) -> Any:
    try:
        async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
            found = await answer.json(content_type=None)
            if answer.status != 200:
                raise ServiceError(f"the service says: {found.get('error', answer.status)}", where=url)
            return found
    except (aiohttp.ClientError, ValueError) as error:
        raise ServiceError(
            "no service answers there", where=url, why=str(error), help="start one: burnish serve ARTIFACT"
        ) from None


def random_bodies(metadata: dict[str, Any], sizes: Sequence[int], *, count: int = 16, seed: int = 0) -> list[Body]:
    """Requests of one row with made-up values, free dimensions of each of `sizes` in turn, in binary.

    Floating-point values are standard normal, all others are 1. Raises `BadRequest` when a size is needed and
    none given.
    """
    chance = np.random.default_rng(seed)
    bodies: list[Body] = []
    for number in range(count):
        inputs: list[dict[str, Any]] = []
        tail: list[bytes] = []
        for spec in metadata["inputs"]:
            free = [size for size in spec["shape"][1:] if size < 0]
            if free and not sizes:
                raise BadRequest(
                    f"input {spec['name']!r} has a free dimension: {spec['shape']}",
                    help="say how long: --sizes 16,64,128",
                )
            shape = [1, *(size if size >= 0 else sizes[number % len(sizes)] for size in spec["shape"][1:])]
            dtype = numpy_type(spec["datatype"])
            values = chance.standard_normal(math.prod(shape)) if dtype.kind == "f" else np.ones(math.prod(shape))
            raw = bytes(to_bytes(values.astype(dtype).reshape(shape)))
            head = {"name": spec["name"], "datatype": spec["datatype"], "shape": shape}
            inputs.append(head | {"parameters": {"binary_data_size": len(raw)}})
            tail.append(raw)
        text = dump_json({"inputs": inputs, "parameters": {"binary_data_output": True}})
        headers = {HEADER_LENGTH: str(len(text)), "content-type": "application/octet-stream"}
        bodies.append((text + b"".join(tail), headers))
    return bodies
