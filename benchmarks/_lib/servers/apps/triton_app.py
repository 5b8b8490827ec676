"""The work under Triton's Python backend."""

import os
import sys

import numpy as np
import triton_python_backend_utils as pb_utils

sys.path.insert(0, os.environ["APPS"])
from work import Work


class TritonPythonModel:
    """All requests of a batch at once."""

    def initialize(self, args):
        self.work = Work()

    def execute(self, requests):
        parts = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        answers = self.work.run([row for part in parts for row in part])
        responses, place = [], 0
        for part in parts:
            own = answers[place : place + len(part)]
            place += len(part)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.stack(own))]))
        return responses
