from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from burnish.serve.lane import Lane
from tests.artifact.made import tiny_images


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "eager"])
def test_a_worker_loads_torch_only_where_its_backend_needs_it(tmp_path, backend):
    artifact = tiny_images(tmp_path / "tiny", backend=backend)
    image = np.zeros((2, 3, 12, 12), np.float32)

    async def body() -> str:
        lane = Lane(artifact, 1)
        await lane.start()
        try:
            done = asyncio.get_running_loop().create_future()
            lane.run((("image", (3, 12, 12)),), {"image": [image]}, lambda ran: done.set_result(ran.error))
            assert not await done
            return Path(f"/proc/{lane.pid}/maps").read_text()
        finally:
            lane.stop()

    assert ("libtorch" in asyncio.run(body())) is (backend == "eager")


def test_the_service_itself_needs_no_torch(tmp_path):
    code = "import burnish.serve.run, burnish.cli.serve, sys; sys.exit('torch' in sys.modules)"

    async def body() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        return await process.wait()

    assert asyncio.run(body()) == 0
