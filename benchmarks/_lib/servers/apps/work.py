"""What every server runs, alike: a sleeping accelerator or an ONNX file. NumPy and ONNX Runtime only.

The file named by WORK describes it: `{"kind": "curve", "ms": [0, first, second, ...], "unit": 0}` sleeps
for a batch of n rows `ms[n]`; with `unit`, a row of length L counts for L / unit rows.
`{"kind": "onnx", "file": path, "input": name, "dtype": ..., "mask": name}` runs one row or several;
`mask`, where given, is an input that is 1 where the first one is not 0.
"""

import json
import math
import os
import time

import numpy as np


class Work:
    """The executable, and rows from and to what travels."""

    def __init__(self):
        with open(os.environ["WORK"]) as file:
            self.spec = json.load(file)
        self.dtype = np.dtype(self.spec["dtype"])
        self.shape = [-1 if size is None else size for size in self.spec["shape"]]
        self.session = None
        if self.spec["kind"] == "onnx":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.spec["threads"]
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self.session = onnxruntime.InferenceSession(self.spec["file"], options, providers=["CPUExecutionProvider"])
            self.run([np.ones([abs(size) for size in self.shape], self.dtype)])

    def row(self, raw):
        """One row from its bytes."""
        return np.frombuffer(raw, self.dtype).reshape(self.shape)

    def listed(self, values):
        """One row from nested lists."""
        return np.asarray(values, self.dtype).reshape(self.shape)

    def run(self, rows):
        """One answer per row; rows of different length are padded with zeros to the longest."""
        longest = max(row.shape[0] for row in rows)
        batch = np.zeros((len(rows), longest, *rows[0].shape[1:]), self.dtype)
        for place, row in zip(batch, rows, strict=True):
            place[: len(row)] = row
        return list(self.batch(batch))

    def batch(self, batch):
        """The outputs of a batch, [rows, ...]."""
        if self.session is None:
            unit = self.spec["unit"]
            units = len(batch) * (math.ceil(batch.shape[1] / unit) if unit else 1)
            table = self.spec["ms"]
            time.sleep(table[min(units, len(table) - 1)] / 1000)
            return np.zeros((len(batch), 1), np.float32)
        inputs = {self.spec["input"]: batch}
        if self.spec["mask"]:
            inputs[self.spec["mask"]] = (batch != 0).astype(self.dtype)
        return self.session.run(None, inputs)[0]
