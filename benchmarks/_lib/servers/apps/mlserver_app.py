"""The work under MLServer."""

import os
import sys

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

sys.path.insert(0, os.path.dirname(__file__))
from work import Work


class Model(MLModel):
    """Open Inference Protocol in JSON."""

    async def load(self):
        self.work = Work()
        return True

    async def predict(self, payload):
        batch = NumpyCodec.decode_input(payload.inputs[0]).astype(self.work.dtype)
        answer = self.work.batch(batch.reshape(len(batch), *self.work.shape))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", answer)])
