"""An exported repository under the real server: `tritonserver` of the wheel nvidia-pytriton, on the CPU.

The server lives in a virtual environment of its own, made on the first run (about 350 MB). `BURNISH_TRITON_VENV` names
its folder, so that later runs find it; without it the environment is made anew and thrown away.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.http as http

import burnish
from burnish.cli.export import export
from burnish.model.variant import Variant
from burnish.testing.backends import sequence_inputs
from burnish.workloads.workload import Workload
from tests.artifact.made import make, tiny_images, tiny_sequences
from tests.serve.conftest import free_port

pytestmark = pytest.mark.slow

PACKAGES = ("nvidia-pytriton==0.7.0", "onnxruntime", "openvino")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder in its environment."""
    told = os.environ.get("BURNISH_TRITON_VENV")
    venv = Path(told) if told else tmp_path_factory.mktemp("triton") / "venv"
    found = venv / "lib" / f"python{PYTHON}" / "site-packages" / "pytriton" / "tritonserver"
    if not (venv / ".ready").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        done = subprocess.run(
            [venv / "bin" / "pip", "install", "-q", *PACKAGES], check=False, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"pip cannot install {PACKAGES[0]}: {done.stderr.strip().splitlines()[-1]}")
        stub = found / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
        if not stub.is_file():
            pytest.skip(f"{PACKAGES[0]} has no Python backend for Python {PYTHON}")
        shutil.copy(stub, found / "backends" / "python")
        (venv / ".ready").touch()
    return found


@pytest.fixture(scope="module")
def artifacts(
    tmp_path_factory: pytest.TempPathFactory, digits: Workload, fitted_digits: Variant
) -> dict[tuple[str, str], Path]:
    """By model and version."""
    root = tmp_path_factory.mktemp("models")
    examples = digits.test.batch(np.arange(2)).inputs
    make(root / "digits" / "1", fitted_digits.module, digits.signature, examples, name="digits")
    tiny_sequences(root / "sequences" / "1")
    tiny_images(root / "images" / "1", seed=1)
    tiny_images(root / "images" / "3", seed=3, backend="openvino", options={"precision": "f32"})
    return {(path.parent.name, path.name): path for path in root.glob("*/[0-9]")}


@pytest.fixture(scope="module")
def server(
    artifacts: dict[tuple[str, str], Path], triton: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Addresses of HTTP and gRPC; the model `damaged` lies in the repository too, and is not loaded."""
    folder = tmp_path_factory.mktemp("repository")
    root = next(iter(artifacts.values())).parents[1]
    export([root], to="triton", out=folder / "models", target_ms=None, max_batch=16, instances=1)
    damaged = shutil.copytree(folder / "models" / "digits", folder / "models" / "damaged")
    config = (damaged / "config.pbtxt").read_text()
    (damaged / "config.pbtxt").write_text(config.replace('name: "digits"', 'name: "damaged"'))
    with (damaged / "1" / "program" / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    ports = [free_port() for _ in range(2)]
    command = [
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={triton / 'backends'}",
        f"--cache-directory={triton / 'caches'}",
        "--http-address=127.0.0.1",
        f"--http-port={ports[0]}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={ports[1]}",
        "--allow-metrics=false",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in ("digits", "sequences", "images")),
    ]
    venv = triton.parents[4]
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR")),
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(venv),
    }
    environment.pop("PYTHONPATH", None)
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    client = http.InferenceServerClient(f"127.0.0.1:{ports[0]}")
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-4000:]
            try:
                if client.is_server_ready():
                    break
            except OSError:
                pass
            time.sleep(0.1)
        yield f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()[-4000:]


def ask(
    kind: Any, client: Any, model: str, inputs: dict[str, np.ndarray[Any, Any]], version: str = ""
) -> dict[str, Any]:
    """Outputs by name through one of the two clients."""
    sent = []
    for name, array in inputs.items():
        tensor = kind.InferInput(name, list(array.shape), {"float32": "FP32", "int64": "INT64"}[array.dtype.name])
        tensor.set_data_from_numpy(array)
        sent.append(tensor)
    answer = client.infer(model, sent, model_version=version)
    names = [out["name"] if isinstance(out, dict) else out.name for out in _outputs(answer)]
    return {name: answer.as_numpy(name) for name in names}


def _outputs(answer: Any) -> Any:
    response = answer.get_response()
    return response["outputs"] if isinstance(response, dict) else response.outputs


def check(server: tuple[str, str], artifact: Path, model: str, cases: list[dict[str, Any]], version: str = "") -> None:
    """Both clients get what the artifact itself gives."""
    with burnish.load(artifact) as local:
        wanted = [local.run(case) for case in cases]
    for kind, address in ((http, server[0]), (grpc, server[1])):
        client = kind.InferenceServerClient(address)
        for case, outputs in zip(cases, wanted, strict=True):
            found = ask(kind, client, model, case, version)
            assert found.keys() == outputs.keys()
            for name, value in outputs.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)
        client.close()


def test_a_digits_network(server, artifacts, digits):
    batches = [digits.test.batch(np.arange(start, start + rows)) for start, rows in ((0, 1), (1, 7), (8, 16))]
    cases = [{name: tensor.numpy() for name, tensor in batch.inputs.items()} for batch in batches]
    check(server, artifacts["digits", "1"], "digits", cases)


def test_free_length(server, artifacts):
    shapes = ((1, 5), (4, 16), (3, 17), (1, 1))
    cases = [{k: v.numpy() for k, v in sequence_inputs(rows, length, seed=rows).items()} for rows, length in shapes]
    check(server, artifacts["sequences", "1"], "sequences", cases)


def test_two_versions_on_two_runtimes_and_the_highest_answers(server, artifacts):
    case = {"image": np.random.default_rng(0).standard_normal((3, 3, 12, 12)).astype(np.float32)}
    for version, asked in (("1", "1"), ("3", "3"), ("3", "")):
        check(server, artifacts["images", version], "images", [case], asked)
    client = http.InferenceServerClient(server[0])
    assert client.get_model_metadata("images")["versions"] == ["1", "3"]
    assert (
        ask(http, client, "images", case, "1")["scores"].tolist()
        != ask(http, client, "images", case)["scores"].tolist()
    )
    client.close()


def test_many_at_once_get_their_own_answers(server, artifacts):
    cases = [{k: v.numpy() for k, v in sequence_inputs(1, 3 + seed % 3, seed=seed).items()} for seed in range(64)]
    with burnish.load(artifacts["sequences", "1"]) as local:
        wanted = [local.run(case)["scores"] for case in cases]
    client = grpc.InferenceServerClient(server[1])
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda case: ask(grpc, client, "sequences", case)["scores"], cases))
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(wanted), rtol=1e-4, atol=1e-5)
    statistics = client.get_inference_statistics("sequences").model_stats[0]
    assert statistics.inference_count > statistics.execution_count > 0, "nothing shared a batch"
    client.close()


def test_the_configuration_is_understood_as_it_was_meant(server):
    client = http.InferenceServerClient(server[0])
    config = client.get_model_config("sequences")
    assert config["max_batch_size"] == 16 and config["backend"] == "python"
    assert [(i["name"], i["data_type"], i["dims"]) for i in config["input"]] == [
        ("ids", "TYPE_INT64", [-1]),
        ("mask", "TYPE_INT64", [-1]),
    ]
    assert config["instance_group"][0]["kind"] == "KIND_CPU"
    client.close()


def test_a_bad_request_is_an_error_and_the_next_one_is_answered(server, artifacts):
    client = http.InferenceServerClient(server[0])
    bad = {"ids": np.array([[1, 999]]), "mask": np.ones((1, 2), np.int64)}  # 999 is not in the vocabulary
    with pytest.raises(http.InferenceServerException, match=r"999|out of"):
        ask(http, client, "sequences", bad)
    client.close()
    check(
        server,
        artifacts["sequences", "1"],
        "sequences",
        [{"ids": np.array([[1, 2]]), "mask": np.ones((1, 2), np.int64)}],
    )


def test_a_file_that_was_changed_is_not_opened(server):
    client = http.InferenceServerClient(server[0])
    with pytest.raises(http.InferenceServerException, match="differs from the one that was exported"):
        client.load_model("damaged")
    client.close()
