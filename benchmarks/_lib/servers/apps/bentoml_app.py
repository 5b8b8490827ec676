"""The work under BentoML."""

import json
import os
import sys

import bentoml
import numpy as np

sys.path.insert(0, os.path.dirname(__file__))
from work import Work

SETTINGS = json.loads(os.environ["SETTINGS"])


@bentoml.service(traffic={"timeout": 30, "max_concurrency": 4096}, workers=1, logging={"access": {"enabled": False}})
class Model:
    """JSON arrays in and out, concatenated by the server."""

    def __init__(self):
        self.work = Work()

    @bentoml.api(batchable=True, max_batch_size=SETTINGS["max_batch"], max_latency_ms=SETTINGS["latency_ms"])
    def infer(self, x: np.ndarray) -> np.ndarray:
        """Rows to answers."""
        return self.work.batch(x.astype(self.work.dtype))
