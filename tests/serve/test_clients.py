"""The whole service in a process of its own, spoken to by the protocol's own clients."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.http as http


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_http(service, images, scores, binary, compression):
    client = http.InferenceServerClient(f"127.0.0.1:{service[0]}")
    sent = http.InferInput("image", [3, 3, 12, 12], "FP32")
    sent.set_data_from_numpy(images[:3], binary_data=binary)
    wanted = http.InferRequestedOutput("scores", binary_data=binary)
    answer = client.infer(
        "tiny",
        [sent],
        outputs=[wanted],
        request_id="one",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    np.testing.assert_allclose(answer.as_numpy("scores"), scores[:3], rtol=1e-4, atol=1e-5)
    assert answer.get_response()["id"] == "one" and answer.get_response()["model_version"] == "3"
    client.close()


def test_http_about(service):
    client = http.InferenceServerClient(f"127.0.0.1:{service[0]}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny", "1")
    assert client.get_server_metadata()["name"] == "burnish"
    assert client.get_model_metadata("tiny")["versions"] == ["1", "3"]
    assert client.get_model_config("tiny")["input"][0]["dims"] == [3, 12, 12]
    assert [item["version"] for item in client.get_model_repository_index()] == ["1", "3"]
    assert {item["version"] for item in client.get_inference_statistics("tiny")["model_stats"]} == {"1", "3"}
    with pytest.raises(http.InferenceServerException if hasattr(http, "InferenceServerException") else Exception):
        client.get_model_metadata("nope")
    client.close()


def test_grpc(service, images, scores):
    client = grpc.InferenceServerClient(f"127.0.0.1:{service[1]}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
    sent = grpc.InferInput("image", [4, 3, 12, 12], "FP32")
    sent.set_data_from_numpy(images[:4])
    answer = client.infer("tiny", [sent], model_version="1", request_id="two")
    np.testing.assert_allclose(answer.as_numpy("scores"), scores[:4], rtol=1e-4, atol=1e-5)
    assert answer.get_response().id == "two" and answer.get_response().model_version == "1"
    metadata = client.get_model_metadata("tiny")
    assert (metadata.inputs[0].name, list(metadata.inputs[0].shape)) == ("image", [-1, 3, 12, 12])
    assert client.get_inference_statistics("tiny", "1").model_stats[0].inference_count >= 4
    assert len(client.get_model_repository_index().models) == 2
    client.close()


def test_models_are_unloaded_and_loaded(service):
    over_http = http.InferenceServerClient(f"127.0.0.1:{service[0]}")
    over_grpc = grpc.InferenceServerClient(f"127.0.0.1:{service[1]}")
    over_http.unload_model("tiny")
    assert {item["state"] for item in over_http.get_model_repository_index()} == {"UNAVAILABLE"}
    over_grpc.load_model("tiny")
    assert over_http.is_model_ready("tiny", "3")
    over_grpc.unload_model("tiny")
    over_http.load_model("tiny")
    assert over_grpc.is_model_ready("tiny")
    with pytest.raises(Exception, match="cannot be given with a request"):
        over_http.load_model("tiny", config="{}")
    over_http.close()
    over_grpc.close()


def test_grpc_errors_have_the_codes_of_the_protocol(service, images):
    client = grpc.InferenceServerClient(f"127.0.0.1:{service[1]}")
    sent = grpc.InferInput("image", [1, 3, 12, 12], "FP32")
    sent.set_data_from_numpy(images[:1])
    for call, code in (
        (lambda: client.infer("nope", [sent]), "NOT_FOUND"),
        (lambda: client.infer("tiny", [sent], timeout=1), "DEADLINE_EXCEEDED RESOURCE_EXHAUSTED"),
        (lambda: client.infer("tiny", [grpc.InferInput("image", [1, 2], "FP32")]), "INVALID_ARGUMENT"),
    ):
        with pytest.raises(Exception, match=r"StatusCode|\[") as caught:
            call()
        assert str(caught.value.status()).removeprefix("StatusCode.") in code
    client.close()


def test_a_stream_answers_each_request_or_says_what_is_wrong(service, images, scores):
    import queue

    found: queue.Queue[tuple[object, object]] = queue.Queue()
    client = grpc.InferenceServerClient(f"127.0.0.1:{service[1]}")
    client.start_stream(callback=lambda result, error: found.put((result, error)))
    for name in ("tiny", "nope", "tiny"):
        sent = grpc.InferInput("image", [1, 3, 12, 12], "FP32")
        sent.set_data_from_numpy(images[:1])
        client.async_stream_infer(name, [sent])
    answers = [found.get(timeout=20) for _ in range(3)]
    client.stop_stream()
    assert "nope" in str(answers[1][1])
    for result, error in (answers[0], answers[2]):
        assert error is None
        np.testing.assert_allclose(result.as_numpy("scores"), scores[:1], rtol=1e-4, atol=1e-5)
    client.close()
