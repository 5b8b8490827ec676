"""The work under mosec."""

import json
import os
import sys

from mosec import Server, Worker

sys.path.insert(0, os.path.dirname(__file__))
from work import Work

SETTINGS = json.loads(os.environ["SETTINGS"])


class Model(Worker):
    """Raw rows in and out."""

    def __init__(self):
        self.work = Work()

    def deserialize(self, data):
        return self.work.row(data)

    def serialize(self, data):
        return data.tobytes()

    def forward(self, data):
        return self.work.run(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, max_batch_size=SETTINGS["max_batch"], max_wait_time=SETTINGS["wait_ms"])
    server.run()
