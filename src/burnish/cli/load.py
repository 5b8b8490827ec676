"""`burnish load`: an open-loop load on a service, and what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from burnish.cli.terminal.bars import RichProgress
from burnish.cli.terminal.console import print_note, print_rows
from burnish.core.errors import RecipeError, ServiceError
from burnish.core.files import write_text
from burnish.report.load_page import render_load
from burnish.serve.load import arrivals
from burnish.serve.load.client import describe, model_names, random_bodies, run
from burnish.serve.load.summary import Summary, summarize
from burnish.serve.load.sweep import at_rates, knee, until_the_knee
from burnish.serve.load.wire import Body
from burnish.serve.settle import settle

PATTERNS = ("poisson", "bursts")
_PATIENCE = 20.0
"""Deadlines that a request is waited for before it counts as lost."""


def load(
    url: str,
    *,
    model: str | None,
    rates: str | None,
    seconds: float,
    deadline_ms: float,
    pattern: str,
    sizes: str,
    seed: int,
    out: Path | None,
) -> None:
    """Body of the command; `out` is a page to write; the last line is one JSON document. Raises `BurnishError`."""
    wanted = _numbers(rates, "--rates") if rates else []
    if pattern not in PATTERNS and not Path(pattern).is_file():
        raise RecipeError(
            f"no pattern and no file: {pattern!r}", where="--pattern", help="give poisson, bursts, or a CSV file"
        )
    found = asyncio.run(
        _load(
            url, model, wanted, seconds, deadline_ms / 1000, pattern, [int(n) for n in _numbers(sizes, "--sizes")], seed
        )
    )
    rows = [_row(item) for item in found]
    columns = ("rate /s", "in time", "goodput /s", "p50", "p95", "p99", "refused", "refused in")
    print_rows(columns, rows, title=f"Answers within {deadline_ms:g} ms, {pattern}, {seconds:g} s each")
    if out is not None:
        page = render_load(found, url=url, pattern=pattern, deadline_ms=deadline_ms, knee=knee(found))
        write_text(out, page)
        print_note(f"page: {out}")
    last = {"knee": knee(found), "deadline_ms": deadline_ms, "pattern": pattern}
    print(json.dumps(last | {"runs": [item.model_dump(mode="json") for item in found]}))


async def _load(
    url: str,
    model: str | None,
    rates: list[float],
    seconds: float,
    deadline_s: float,
    pattern: str,
    sizes: Sequence[int],
    seed: int,
) -> list[Summary]:
    root = url.rstrip("/").removesuffix("/v2")
    name = model or await _only_model(root)
    path = f"{root}/v2/models/{name}"
    bodies: list[Body] = random_bodies(await describe(path), sizes, seed=seed)
    settle()
    with RichProgress() as progress:

        async def measure(rate: float) -> Summary:
            due = _due(pattern, rate, seconds, seed)
            with progress.task(f"{rate:g} requests/s", len(due)) as task:
                replies = await run(
                    f"{path}/infer", bodies, due, patience_s=max(10.0, _PATIENCE * deadline_s), tell=task.advance
                )
            return summarize(replies, rate, seconds, deadline_s)

        return await (at_rates(measure, rates) if rates else until_the_knee(measure, 10.0))


async def _only_model(root: str) -> str:
    names = await model_names(f"{root}/v2/repository/index")
    if not names:
        raise ServiceError(
            "the service has no model", where=root, help="load one: POST /v2/repository/models/NAME/load"
        )
    if len(names) > 1:
        raise ServiceError("the service has several models", where=root, help=f"give --model: {', '.join(names)}")
    return names[0]


def _due(pattern: str, rate: float, seconds: float, seed: int) -> list[float]:
    match pattern:
        case "poisson":
            return arrivals.poisson(rate, seconds, seed=seed)
        case "bursts":
            return arrivals.bursts(rate, seconds, seed=seed)
    return arrivals.trace(Path(pattern), rate, seconds)


def _numbers(text: str, where: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise RecipeError(f"not numbers: {text!r}", where=where, help="separate them by commas: 16,64,128") from None
    if any(number <= 0 for number in found):
        raise RecipeError(f"not all above 0: {text!r}", where=where)
    return found


def _row(item: Summary) -> tuple[str, ...]:
    refused = ", ".join(f"{count} x {status}" for status, count in item.refusals.items()) or "-"
    share = item.in_time / item.requests if item.requests else 0.0
    times = [f"{value:.1f} ms" for value in (item.p50_ms, item.p95_ms, item.p99_ms)]
    told = f"{item.refusal_p95_ms:.1f} ms" if item.refusals else "-"
    return (f"{item.rate:.4g}", f"{share:.1%}", f"{item.goodput:.4g}", *times, refused, told)
