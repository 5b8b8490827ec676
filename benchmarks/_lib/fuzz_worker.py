"""Decodes inputs in a process whose memory is limited: what breaks there breaks nothing else."""

from __future__ import annotations

import json
import resource
import time
import traceback
from collections import Counter
from collections.abc import Coroutine, MutableMapping
from pathlib import Path
from typing import Any

from _lib.fuzzing import Input, make
from burnish.serve.grpc.messages import parse_request as parse_message
from burnish.serve.grpc.schema import decode
from burnish.serve.http.body import read_body
from burnish.serve.protocol.messages import InferRequest, ProtocolError
from burnish.serve.protocol.rest import dump_json, parse_json, parse_request

_STATM = Path("/proc/self/statm")
_LONGEST = 1100


def run(given: Input, limit: int) -> str:
    """What became of it: "request", or the status of the refusal. Raises whatever the decoder raises otherwise."""
    try:
        request = _decoded(given, limit)
    except ProtocolError as error:
        told = parse_json(dump_json({"error": error.what}))["error"]
        if not 400 <= error.status < 500 or not 0 < len(told) < _LONGEST:
            raise AssertionError(f"a refusal out of form: {error.status}, {len(told)} characters") from error
        return str(error.status)
    if not request.inputs or request.inputs.keys() != request.datatypes.keys():
        raise AssertionError("a request without inputs")
    return "request"


def _decoded(given: Input, limit: int) -> InferRequest:
    if given.kind.startswith("grpc"):
        return parse_message(decode("ModelInferRequest", given.body))
    if given.kind == "compressed":
        headers = {"content-encoding": given.header or ""}
        return parse_request(_finished(read_body(_Halves(given.body), headers, limit)))
    return parse_request(given.body, given.header)


class _Halves:
    """An ASGI `receive` that has one body, in two parts."""

    def __init__(self, body: bytes) -> None:
        half = len(body) // 2
        self._parts = [(body[half:], False), (body[:half], True)]

    async def __call__(self) -> MutableMapping[str, Any]:
        body, more = self._parts.pop()
        return {"type": "http.request", "body": body, "more_body": more}


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def _limit(more: int | None) -> None:
    """Let this process have `more` bytes of address space than now; None: as much as it wants."""
    now = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    most = resource.RLIM_INFINITY if more is None else now + more
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def main(seed: int, first: int, last: int, limit: int, memory: int, every: int) -> None:
    """Decode inputs from `first` to before `last`, each in `memory` bytes more.

    Prints a JSON line after `every` inputs, and one for each failure.
    """
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(first, last):
        given = make(number, seed, limit)
        _limit(memory)
        began = time.process_time()
        try:
            outcomes[f"{given.kind}: {run(given, limit)}"] += 1
        except BaseException:
            _limit(None)
            print(json.dumps({"failed": number, "why": traceback.format_exc(limit=-3)}), flush=True)
        _limit(None)
        slowest = max(slowest, time.process_time() - began)
        if (number + 1 - first) % every == 0 or number + 1 == last:
            print(json.dumps({"next": number + 1, "outcomes": outcomes, "slowest": slowest}), flush=True)
            outcomes.clear()
            slowest = 0.0
