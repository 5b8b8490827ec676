"""Labels of versions, over REST and over gRPC."""

from __future__ import annotations

import json

import grpc
import tritonclient.grpc.aio as triton

from burnish.serve.grpc.schema import MESSAGES, SERVICE
from burnish.serve.grpc.server import start_server
from burnish.serve.keys import Keys
from burnish.serve.protocol.rest import render_answer
from burnish.serve.room import Room
from tests.serve.rollout.test_rollouts import repository, request, serving

__all__ = ["repository"]


async def call(channel, name, /, **fields):
    made = channel.unary_unary(
        f"/{SERVICE}/{name}",
        request_serializer=MESSAGES[f"{name}Request"].SerializeToString,
        response_deserializer=MESSAGES[f"{name}Response"].FromString,
    )
    return await made(MESSAGES[f"{name}Request"](**fields))


def test_both_protocols_tell_the_same_labels(repository, images):
    async def body(service, _rollouts):
        await service.set_rollout("tiny", {"labels": {"stable": 1, "next": 2, "latest": 2}})
        server, port = await start_server(service, "127.0.0.1:0", max_body=1 << 20, room=Room(1 << 20), keys=Keys())
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                metadata = await call(channel, "ModelMetadata", name="tiny", version="next")
                index = await call(channel, "RepositoryIndex")
            async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
                plain = await client.get_model_metadata("tiny", as_json=True)
                listed = await client.get_model_repository_index(as_json=True)
                sent = triton.InferInput("image", [1, 3, 12, 12], "FP32")
                sent.set_data_from_numpy(images[:1])
                answer = (await client.infer("tiny", [sent], model_version="next")).get_response()
        finally:
            await server.stop(0)
        rest = await service.infer("tiny", "next", request(images[:1]))
        parameters = json.loads(render_answer(rest, request(images[:1]))[1][0])["parameters"]
        assert dict(metadata.labels) == service.model_metadata("tiny")["labels"]
        assert [list(item.labels) for item in index.models] == [item["labels"] for item in service.index()]
        assert answer.model_version == "2"
        assert {key: value.string_param for key, value in answer.parameters.items()} == parameters
        assert plain["versions"] == ["1", "2"] and len(listed["models"]) == 2
        return parameters

    assert serving(repository, body) == {"version_labels": "latest,next"}


def test_without_labels_an_answer_has_no_parameters(repository, images):
    async def body(service, _rollouts):
        answer = await service.infer("tiny", "", request(images[:1]))
        return json.loads(render_answer(answer, request(images[:1]))[1][0])

    assert "parameters" not in serving(repository, body)
