"""The application in this process, spoken to as an ASGI server would."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.serve.batch import Limits
from burnish.serve.engine import Engine
from burnish.serve.http.app import App
from burnish.serve.http.leaving import LEAVING
from burnish.serve.http.pages import home, openapi
from burnish.serve.keys import Keys
from burnish.serve.metrics.counts import RolloutCounts, VersionCounts
from burnish.serve.metrics.metrics import Metrics
from burnish.serve.protocol.rest import parse_request
from burnish.serve.rollout.rollouts import Rollouts
from burnish.serve.room import Room
from burnish.serve.service import Service


class Client:
    """Sends one request after the other to an application."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        gone: bool = False,
        callbacks: set[Callable[[], None]] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop(0)
            if not gone:
                await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        lines = [(key.lower().encode(), value.encode()) for key, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": lines}
        if callbacks is not None:
            scope["extensions"] = {LEAVING: {"callbacks": callbacks}}
        await self._app(scope, receive, send)
        if not sent:
            return 0, {}, b""
        found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        return sent[0]["status"], found, sent[1]["body"]


def with_app(artifact, body, *, versions=("1",), keys=None, **limits):
    async def run():
        metrics = Metrics(35.0)

        def make(model, version, folder):
            settings = Limits(**{"max_batch": 4, **limits})
            return Engine(folder, settings, target_s=30.0, threads=1, observer=VersionCounts(metrics, model, version))

        rollouts = Rollouts(make, RolloutCounts(metrics))
        service = Service(lambda: {"tiny": dict.fromkeys(versions, artifact)}, make, rollouts)
        metrics.show_versions(service.index)
        await service.start()
        try:
            return await body(
                Client(
                    App(
                        service,
                        max_body=100_000,
                        room=Room(1_600_000),
                        keys=keys,
                        pages={"/": home, "/openapi.json": openapi, "/metrics": metrics.page},
                    )
                )
            )
        finally:
            await service.stop()

    return asyncio.run(run())


def request(images, **changes) -> bytes:
    tensor = {"name": "image", "shape": list(images.shape), "datatype": "FP32", "data": images.ravel().tolist()}
    return json.dumps({"inputs": [tensor | changes]}).encode()


INFER = "/v2/models/tiny/infer"


def test_inference_in_json_compressed_and_not(artifact, images, scores):
    async def body(call):
        sent = request(images[:2])
        plain = await call("POST", INFER, sent)
        packed = await call("POST", INFER, gzip.compress(sent), {"content-encoding": "gzip", "accept-encoding": "gzip"})
        return plain, packed

    (status, headers, text), (other, _, also) = with_app(artifact, body)
    assert (status, other) == (200, 200) and headers["content-type"] == "application/json"
    answer = json.loads(text)
    assert answer["model_name"] == "tiny" and answer["model_version"] == "1"
    np.testing.assert_allclose(np.reshape(answer["outputs"][0]["data"], (2, 5)), scores[:2], rtol=1e-4, atol=1e-5)
    assert json.loads(also)["outputs"] == answer["outputs"]


def test_errors_say_what_is_wrong_in_the_protocols_form(artifact, images):
    async def body(call):
        bomb = zlib.compress(bytes(10_000_000))
        return {
            "model": await call("POST", "/v2/models/nope/infer", request(images[:1])),
            "version": await call("POST", "/v2/models/tiny/versions/9/infer", request(images[:1])),
            "path": await call("GET", "/v2/models/tiny/../../etc/passwd"),
            "shape": await call("POST", INFER, request(images[:1, :, :5])),
            "name": await call("POST", INFER, request(images[:1], name="imago")),
            "type": await call("POST", INFER, request(images[:1], datatype="FP64")),
            "rows": await call("POST", INFER, request(images[:5])),
            "none": await call("POST", INFER, request(images[:0])),
            "large": await call("POST", INFER, bytes(100_001)),
            "declared": await call("POST", INFER, b"", {"content-length": "999999999"}),
            "bomb": await call("POST", INFER, bomb, {"content-encoding": "deflate"}),
            "encoding": await call("POST", INFER, b"x", {"content-encoding": "br"}),
            "gzip": await call("POST", INFER, b"x", {"content-encoding": "gzip"}),
        }

    found = with_app(artifact, body)
    statuses = {name: answer[0] for name, answer in found.items()}
    assert statuses == {
        "model": 404,
        "version": 404,
        "path": 404,
        "shape": 400,
        "name": 400,
        "type": 400,
        "rows": 400,
        "none": 400,
        "large": 413,
        "declared": 413,
        "bomb": 413,
        "encoding": 415,
        "gzip": 400,
    }
    assert all(json.loads(answer[2])["error"] for answer in found.values())
    assert "did you mean 'image'" in json.loads(found["name"][2])["error"]


def test_health_metadata_statistics_and_metrics(artifact, images):
    async def body(call):
        await call("POST", INFER, request(images[:2]))
        await call("POST", INFER, request(images[:5]))
        paths = (
            "health/live",
            "health/ready",
            "models/tiny/ready",
            "models/tiny",
            "models/tiny/config",
            "models/stats",
        )
        found = {path: await call("GET", f"/v2/{path}") for path in ("", *paths)}
        return found, await call("POST", "/v2/repository/index"), await call("GET", "/metrics")

    found, index, metrics = with_app(artifact, body)
    assert {answer[0] for answer in found.values()} == {200}
    assert json.loads(found["models/tiny"][2])["inputs"] == [
        {"name": "image", "datatype": "FP32", "shape": [-1, 3, 12, 12]}
    ]
    assert json.loads(found["models/stats"][2])["model_stats"][0]["inference_count"] == 2
    assert json.loads(index[2]) == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]
    text = metrics[2].decode()
    assert 'burnish_requests_total{model="tiny",outcome="answered",reason="",version="1"} 1.0' in text
    assert 'burnish_requests_total{model="tiny",outcome="refused",reason="too_large",version="1"} 1.0' in text
    assert 'burnish_request_seconds_bucket{le="0.035"' in text
    for line in (
        'burnish_batch_elements_total{kind="real",model="tiny",version="1"} 864.0',
        'burnish_batch_elements_total{kind="padding",model="tiny",version="1"} 0.0',
        'burnish_busy_seconds_total{instance="0",model="tiny",version="1"} ',
        'burnish_model_seconds_total{instance="0",model="tiny",version="1"} ',
        'burnish_batch_predicted_seconds_total{model="tiny",version="1"} ',
        'burnish_instances{model="tiny",version="1"} 1.0',
        'burnish_routed_requests_total{model="tiny",version="1",why="default"} 2.0',
        'burnish_version_state{model="tiny",state="READY",version="1"} 1.0',
        'burnish_version_state{model="tiny",state="UNAVAILABLE",version="1"} 0.0',
    ):
        assert line in text, line


def test_a_client_that_goes_away_leaves_no_request_behind(artifact, images):
    async def body(call):
        return await call("POST", INFER, request(images[:1]), gone=True)

    assert with_app(artifact, body)[0] in (0, 200)


def test_a_client_whose_connection_is_lost_leaves_no_request_behind(artifact, images):
    async def body(call):
        callbacks: set[Callable[[], None]] = set()
        asking = asyncio.ensure_future(call("POST", INFER, request(images[:1]), callbacks=callbacks))
        while not callbacks:
            await asyncio.sleep(0)
        callbacks.pop()()
        status, _, _ = await asking
        assert not callbacks
        return status, (await call("POST", INFER, request(images[:1])))[0]

    assert with_app(artifact, body) == (0, 200)


ROLLOUT = "/v2/repository/models/tiny/rollout"


def test_a_rollout_is_set_and_shown_and_labels_stand_for_versions(artifact, images):
    async def body(call):
        settings = {"labels": {"stable": 1, "next": 2}, "candidate": "next", "shadow": 1.0}
        said = [await call("POST", ROLLOUT, json.dumps(settings).encode()), await call("GET", ROLLOUT)]
        answer = await call("POST", "/v2/models/tiny/versions/next/infer", request(images[:1]))
        told = await call("POST", INFER, request(images[:1]), {"X-Canary": "always"})
        await call("POST", INFER, request(images[:1]))
        while json.loads((await call("GET", ROLLOUT))[2])["copies"]["compared"] < 1:
            await asyncio.sleep(0.01)
        about = [await call("GET", "/v2/models/tiny"), await call("POST", "/v2/repository/index")]
        return said, answer, told, [json.loads(found[2]) for found in about], (await call("GET", "/metrics"))[2]

    said, answer, told, (metadata, index), metrics = with_app(artifact, body, versions=("1", "2"))
    assert [status for status, _, _ in said] == [200, 200]
    state = json.loads(said[1][2])
    assert (state["state"], state["stable"], state["candidate"]) == ("running", "1", "2")
    assert [json.loads(found[2])["model_version"] for found in (answer, told)] == ["2", "2"]
    assert metadata["labels"] == {"stable": "1", "next": "2"}
    assert [item["labels"] for item in index] == [["stable"], ["next"]]
    for line in (
        b'burnish_shadow_comparisons_total{model="tiny",version="2"} 1.0',
        b'burnish_shadow_disagreements_total{model="tiny",version="2"} 0.0',
        b'burnish_routed_requests_total{model="tiny",version="2",why="header"} 1.0',
        b'burnish_version_label_info{label="next",model="tiny",version="2"} 1.0',
        b'burnish_requests_total{model="tiny",outcome="answered",reason="",version="2-shadow"} 1.0',
    ):
        assert line in metrics, line


def test_a_rollout_is_refused_with_a_reason_and_without_a_key(artifact):
    key = {"x-api-key": "k" * 16}

    async def body(call):
        return [
            await call("POST", ROLLOUT, b"{}"),
            await call("GET", ROLLOUT),
            await call("POST", ROLLOUT, b'{"weight": 2, "candidate": "1"}', key),
            await call("POST", ROLLOUT, b"[1]", key),
            await call("DELETE", ROLLOUT, b"", key),
            await call("GET", "/v2/repository/models/nope/rollout", b"", key),
        ]

    found = with_app(artifact, body, keys=Keys((b"k" * 16,)))
    assert [status for status, _, _ in found] == [401, 401, 400, 400, 404, 404]
    assert "weight" in json.loads(found[2][2])["error"]


@pytest.mark.parametrize(("reason", "status"), [("queue", 429), ("time", 504)])
def test_refusals_have_their_own_status(artifact, images, reason, status):
    async def body(call):
        if reason == "queue":
            answers = await asyncio.gather(*(call("POST", INFER, request(images[:4])) for _ in range(12)))
            return [answer for answer in answers if answer[0] != 200]
        tensor = {"name": "image", "shape": [1, 3, 12, 12], "datatype": "FP32", "data": images[0].ravel().tolist()}
        sent = json.dumps({"inputs": [tensor], "parameters": {"timeout": 1}}).encode()
        return [await call("POST", INFER, sent)]

    refused = with_app(artifact, body, max_queue=2)
    assert refused
    for found, headers, _ in refused:
        assert found == status or (reason == "time" and found == 429)
        if found == 429:
            assert int(headers["retry-after"]) >= 0


def test_every_path_of_the_openapi_document_exists(artifact, images):
    async def body(call):
        status, _, text = await call("GET", "/openapi.json")
        document = json.loads(text)
        found = {}
        for path, methods in document["paths"].items():
            for method in methods:
                filled = path.replace("{model}", "tiny").replace("{version}", "1")
                sent = request(images[:1]) if path.endswith("infer") else b""
                if not path.startswith("/v2/repository/models"):
                    found[path, method] = (await call(method.upper(), filled, sent))[0]
        return status, found, await call("GET", "/")

    status, found, page = with_app(artifact, body)
    assert status == 200 and set(found.values()) == {200}, found
    assert page[1]["content-type"].startswith("text/html") and b"<title>" in page[2]


def test_much_json_is_read_beside_the_event_loop(artifact, images, monkeypatch):
    seen = []

    def parse(body, header_length):
        seen.append(threading.current_thread() is threading.main_thread())
        return parse_request(body, header_length)

    monkeypatch.setattr("burnish.serve.http.inference.parse_request", parse)

    async def body(call):
        for padding in (0, 70_000):
            status, *_ = await call("POST", "/v2/models/tiny/infer", request(images[:1]) + b" " * padding)
            assert status == 200

    with_app(artifact, body)
    assert seen == [True, False]
