"""The protocol's own asynchronous clients, as they are."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tritonclient.grpc.aio as grpc
import tritonclient.http.aio as http


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_http(service, images, scores, binary, compression):
    async def run():
        async with http.InferenceServerClient(f"127.0.0.1:{service[0]}") as client:
            assert await client.is_server_live() and await client.is_model_ready("tiny")
            assert (await client.get_model_metadata("tiny"))["versions"] == ["1", "3"]
            sent = http.InferInput("image", [2, 3, 12, 12], "FP32")
            sent.set_data_from_numpy(images[:2], binary_data=binary)
            return await asyncio.gather(
                *(
                    client.infer(
                        "tiny",
                        [sent],
                        outputs=[http.InferRequestedOutput("scores", binary_data=binary)],
                        request_id=str(number),
                        request_compression_algorithm=compression,
                        response_compression_algorithm=compression,
                    )
                    for number in range(8)
                )
            )

    for number, answer in enumerate(asyncio.run(run())):
        np.testing.assert_allclose(answer.as_numpy("scores"), scores[:2], rtol=1e-4, atol=1e-5)
        assert answer.get_response()["id"] == str(number)


def test_http_errors_are_the_clients_own(service, images):
    async def run():
        async with http.InferenceServerClient(f"127.0.0.1:{service[0]}") as client:
            sent = http.InferInput("image", [1, 3, 12, 12], "FP32")
            sent.set_data_from_numpy(images[:1])
            await client.infer("nope", [sent])

    with pytest.raises(Exception, match="unknown model 'nope'") as caught:
        asyncio.run(run())
    assert type(caught.value).__name__ == "InferenceServerException"


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_grpc(service, images, scores, compression):
    async def run():
        async with grpc.InferenceServerClient(f"127.0.0.1:{service[1]}") as client:
            assert await client.is_server_live() and await client.is_model_ready("tiny", "1")
            assert (await client.get_model_metadata("tiny")).inputs[0].name == "image"
            sent = grpc.InferInput("image", [2, 3, 12, 12], "FP32")
            sent.set_data_from_numpy(images[:2])
            answers = await asyncio.gather(
                *(client.infer("tiny", [sent], request_id=str(n), compression_algorithm=compression) for n in range(8))
            )
            with pytest.raises(Exception, match="unknown model 'nope'") as caught:
                await client.infer("nope", [sent])
            return answers, str(caught.value.status())

    answers, status = asyncio.run(run())
    assert status.endswith("NOT_FOUND")
    for number, answer in enumerate(answers):
        np.testing.assert_allclose(answer.as_numpy("scores"), scores[:2], rtol=1e-4, atol=1e-5)
        assert answer.get_response().id == str(number)


def test_a_grpc_stream(service, images, scores):
    async def run():
        async def requests():
            for name in ("tiny", "nope", "tiny"):
                sent = grpc.InferInput("image", [1, 3, 12, 12], "FP32")
                sent.set_data_from_numpy(images[:1])
                yield {"model_name": name, "inputs": [sent]}

        async with grpc.InferenceServerClient(f"127.0.0.1:{service[1]}") as client:
            return [pair async for pair in client.stream_infer(requests())]

    first, second, third = asyncio.run(run())
    assert "nope" in str(second[1])
    for result, error in (first, third):
        assert error is None
        np.testing.assert_allclose(result.as_numpy("scores"), scores[:1], rtol=1e-4, atol=1e-5)
