"""The work under LitServe."""

import json
import os
import sys

import litserve

sys.path.insert(0, os.path.dirname(__file__))
from work import Work

SETTINGS = json.loads(os.environ["SETTINGS"])


class Api(litserve.LitAPI):
    """JSON in and out."""

    def setup(self, device):
        self.work = Work()

    def decode_request(self, request):
        return self.work.listed(request["x"])

    def batch(self, inputs):
        return inputs

    def predict(self, batch):
        return self.work.run(batch)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return {"y": output.tolist()}


if __name__ == "__main__":
    api = Api(max_batch_size=SETTINGS["max_batch"], batch_timeout=SETTINGS["wait_ms"] / 1000)
    server = litserve.LitServer(
        api, accelerator="cpu", timeout=SETTINGS["timeout_s"], fast_queue=SETTINGS["fast_queue"]
    )
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="error")
