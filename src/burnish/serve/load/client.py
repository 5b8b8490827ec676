"""Sends requests when they are due, or one after the other, and asks a service what it has."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from burnish.core.errors import BadRequest, ServiceError
from burnish.serve.load.arrivals import pace
from burnish.serve.load.summary import Reply
from burnish.serve.load.wire import Body, Wires, check_url
from burnish.serve.protocol.datatypes import numpy_type
from burnish.serve.protocol.rest import HEADER_LENGTH, dump_json
from burnish.serve.protocol.tensors import to_bytes

_MOST = 1 << 20
"""Bytes of metadata that are read."""

_PATIENCE_S = 10.0


async def run(
    url: str, bodies: Sequence[Body], due: Sequence[float], *, patience_s: float, tell: Callable[[int], None]
) -> list[Reply]:
    """Send `bodies` in turn, one at each moment of `due`. `tell` hears of each that is done.

    Nothing holds a request back: neither a connection limit nor one that is still on its way. What has no
    answer `patience_s` after the last one was sent is given up.
    """
    wires = Wires(url)
    requests = [wires.render(body) for body in bodies]
    replies: list[Reply] = []
    complete = asyncio.Event()
    loop = asyncio.get_running_loop()
    start = time.monotonic() + 0.05

    def done(moment: float, status: int) -> None:
        replies.append(Reply(due=moment, done=time.monotonic() - start, status=status))
        tell(1)
        if len(replies) == len(due):
            complete.set()

    def send(number: int) -> None:
        wires.send(requests[number % len(requests)], partial(done, due[number]))

    ended = threading.Event()
    try:
        moments = [start + moment for moment in due]
        await asyncio.to_thread(pace, moments, lambda number: loop.call_soon_threadsafe(send, number), ended)
        if due:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(complete.wait(), patience_s)
    finally:
        ended.set()
    await wires.close()
    return replies


async def describe(url: str) -> dict[str, Any]:
    """A model's metadata. Raises `ServiceError`."""
    found: dict[str, Any] = await _ask("GET", url)
    return found


async def model_names(url: str) -> list[str]:
    """Names of all models in a repository index. Raises `ServiceError`."""
    return sorted({item["name"] for item in await _ask("POST", url)})


async def _ask(method: str, url: str) -> Any:
    check_url(url)
    request = urllib.request.Request(url, method=method)
    try:
        return json.loads(await asyncio.to_thread(_read, request))
    except urllib.error.HTTPError as error:
        with error:
            raise ServiceError(f"the service says: {_told(error.read(_MOST), error.code)}", where=url) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ServiceError(
            "no service answers there", where=url, why=str(why), help="start one: burnish serve ARTIFACT"
        ) from None


def _read(request: urllib.request.Request) -> bytes:
    """The body of an answer; like the load itself it does not go through a proxy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=_PATIENCE_S) as answer:
        return bytes(answer.read(_MOST))


def _told(body: bytes, status: int) -> str:
    """The error in a body of the protocol's form, else the status."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return str(status)


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
