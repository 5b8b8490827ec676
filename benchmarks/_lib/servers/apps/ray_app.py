"""The work under Ray Serve."""

import asyncio
import json
import os
import sys
import time

import ray
from ray import serve

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = json.loads(os.environ["SETTINGS"])


@serve.deployment(max_ongoing_requests=4096)
class Model:
    """Raw rows in, JSON out."""

    def __init__(self):
        sys.path.insert(0, HERE)
        from work import Work

        self.work = Work()

    @serve.batch(max_batch_size=SETTINGS["max_batch"], batch_wait_timeout_s=SETTINGS["wait_ms"] / 1000)
    async def run(self, rows):
        return await asyncio.to_thread(self.work.run, rows)

    async def __call__(self, request):
        answer = await self.run(self.work.row(await request.body()))
        return {"y": answer.tolist()}


if __name__ == "__main__":
    environment = {name: os.environ[name] for name in ("WORK", "SETTINGS")}
    ray.init(num_cpus=4, include_dashboard=False, runtime_env={"env_vars": environment}, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Model.bind(), route_prefix="/")
    while True:
        time.sleep(3600)
