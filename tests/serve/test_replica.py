"""The service as an application that its host starts and ends, driven as a host does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from burnish.serve.batch import Limits
from burnish.serve.keys import Keys
from burnish.serve.replica import Replica
from burnish.serve.run import Options

OPTIONS = Options(threads=1, limits=Limits(max_batch=2))


async def get(app: Replica, path: str, method: str = "GET") -> tuple[int, Any]:
    sent: list[Any] = []
    scope = {"type": "http", "method": method, "path": path, "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body or b"null")


def test_it_starts_answers_and_ends(artifact: Path):
    async def story() -> None:
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        app = Replica({"tiny": {"2": artifact}}, OPTIONS, Keys())
        life = asyncio.create_task(app({"type": "lifespan"}, events.get, sent.put))
        assert (await get(app, "/v2/health/ready"))[0] == 503
        await events.put({"type": "lifespan.startup"})
        assert (await sent.get())["type"] == "lifespan.startup.complete"
        assert (await get(app, "/v2/health/ready"))[0] == 200
        await app.start()  # a second time: nothing happens
        assert (await get(app, "/v2/models/tiny"))[1]["versions"] == ["2"]
        for change in ("load", "unload"):
            status, answer = await get(app, f"/v2/repository/models/tiny/{change}", "POST")
            assert status == 400 and "deploying it again" in answer["error"]
        status, answer = await get(app, "/v2/repository/models/tiny/rollout", "POST")
        assert status == 400 and "rollout.yaml" in answer["error"]
        await events.put({"type": "lifespan.shutdown"})
        assert (await sent.get())["type"] == "lifespan.shutdown.complete"
        await life

    asyncio.run(story())


def test_an_artifact_that_is_not_there_fails_the_start(tmp_path: Path):
    async def story() -> dict[str, Any]:
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def receive() -> dict[str, Any]:
            return {"type": "lifespan.startup"}

        await Replica({"tiny": {"1": tmp_path}}, OPTIONS, Keys())({"type": "lifespan"}, receive, sent.put)
        return await sent.get()

    answer = asyncio.run(story())
    assert answer["type"] == "lifespan.startup.failed" and "manifest.json" in answer["message"]
