from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from burnish.core.errors import ArtifactError, RecipeError
from burnish.serve.batch import Limits
from burnish.serve.engine import Engine
from burnish.serve.protocol.messages import InferRequest, ProtocolError
from burnish.serve.repository import find_models
from burnish.serve.service import Service


def make(_model: str, _version: str, folder: Path) -> Engine:
    return Engine(folder, Limits(max_batch=4), target_s=30.0, threads=1)


def request(images: np.ndarray) -> InferRequest:
    return InferRequest(inputs={"image": images}, datatypes={"image": "FP32"})


def states(service: Service) -> dict[str, str]:
    return {item["version"]: item["state"] for item in service.index()}


def test_versions_come_and_go_while_requests_are_answered(artifact, images, tmp_path):
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(artifact, folder / "1")

    async def run():
        service = Service(lambda: find_models([tmp_path / "models"]), make)
        await service.start()
        answered: list[str] = []
        stop = asyncio.Event()

        async def client():
            while not stop.is_set():
                answer = await service.infer("tiny", "", request(images[:1]))
                answered.append(answer.version)

        clients = [asyncio.ensure_future(client()) for _ in range(3)]
        shutil.copytree(artifact, folder / "2")
        await service.load("tiny")
        assert states(service) == {"1": "READY", "2": "READY"}
        await asyncio.sleep(0.05)
        shutil.rmtree(folder / "1")
        await service.load("tiny")
        assert states(service) == {"1": "UNAVAILABLE", "2": "READY"}
        await asyncio.sleep(0.05)
        stop.set()
        await asyncio.gather(*clients)
        await service.unload("tiny")
        with pytest.raises(ProtocolError, match="unknown model"):
            await service.infer("tiny", "", request(images[:1]))
        await service.stop()
        return answered

    answered = asyncio.run(run())
    assert answered[0] == "1" and answered[-1] == "2"
    first = answered.index("2")
    assert answered[first:].count("1") <= 3, "version 1 was given requests after its successor was shown"


def test_requests_of_a_version_that_cannot_go_on_are_put_to_its_successor(artifact, images, tmp_path):
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(artifact, folder / "1")

    async def run():
        service = Service(lambda: find_models([tmp_path / "models"]), make)
        await service.start()
        _, engine = service.engine("tiny")
        shutil.copytree(artifact, folder / "2")
        shutil.rmtree(folder / "1")
        waiting = [asyncio.ensure_future(service.infer("tiny", "", request(images[:4]))) for _ in range(4)]
        await asyncio.sleep(0)
        os.kill(engine.pids[0], signal.SIGKILL)
        await service.load("tiny")
        found = await asyncio.gather(*waiting)
        await service.stop()
        return [answer.version for answer in found]

    assert set(asyncio.run(run())) <= {"1", "2"}


def test_a_version_that_does_not_start_leaves_the_others_alone(artifact, images, tmp_path):
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(artifact, folder / "1")

    async def run():
        service = Service(lambda: find_models([tmp_path / "models"]), make)
        await service.start()
        shutil.copytree(artifact, folder / "2")
        program = next(path for path in (folder / "2" / "program").rglob("*") if path.is_file())
        program.write_bytes(b"x")
        with pytest.raises(ProtocolError, match="did not start"):
            await service.load("tiny")
        with pytest.raises(ProtocolError, match="no model"):
            await service.load("../tiny")
        found = states(service), (await service.infer("tiny", "", request(images[:1]))).version
        await service.stop()
        return found

    assert asyncio.run(run()) == ({"1": "READY", "2": "UNAVAILABLE"}, "1")


def test_where_there_is_no_artifact_the_error_says_what_to_give(artifact, tmp_path):
    with pytest.raises(ArtifactError, match="no artifact here"):
        find_models([tmp_path])
    with pytest.raises(ArtifactError, match="no such folder"):
        find_models([tmp_path / "missing"])
    with pytest.raises(RecipeError, match="twice"):
        find_models([artifact, artifact])
    assert find_models([artifact]) == {"tiny": {"1": artifact}}
