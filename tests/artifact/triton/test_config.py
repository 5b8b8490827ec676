"""The file is read back by protobuf's own parser, as Triton does."""

from __future__ import annotations

from typing import Any

import pytest
import tritonclient.grpc as grpc
from google.protobuf import text_format

from burnish.artifact.triton.config import config_text
from burnish.artifact.triton.tuning import Tuning
from burnish.core.errors import Unsupported
from burnish.core.signature import Signature, TensorSpec
from burnish.testing import image_signature
from burnish.testing.backends import sequence_signature

model_config_pb2 = grpc.model_config_pb2


def parsed(name: str, signature: Signature, tuning: Tuning) -> Any:
    return text_format.Parse(config_text(name, signature, tuning), model_config_pb2.ModelConfig())


def spec(name: str, dtype: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_a_model_with_batches():
    config = parsed("images", image_signature(), Tuning(32, (16, 32), 1500, 2))
    assert (config.name, config.backend, config.max_batch_size) == ("images", "python", 32)
    assert [(p.name, p.data_type, list(p.dims)) for p in config.input] == [
        ("image", model_config_pb2.TYPE_FP32, [3, 12, 12])
    ]
    assert [(p.name, list(p.dims)) for p in config.output] == [("scores", [5])]
    assert list(config.dynamic_batching.preferred_batch_size) == [16, 32]
    assert config.dynamic_batching.max_queue_delay_microseconds == 1500
    assert (config.instance_group[0].kind, config.instance_group[0].count) == (
        model_config_pb2.ModelInstanceGroup.KIND_CPU,
        2,
    )
    assert config.version_policy.WhichOneof("policy_choice") == "all"


def test_free_dimensions_are_minus_one():
    config = parsed("texts", sequence_signature(), Tuning(8))
    assert [list(p.dims) for p in (*config.input, *config.output)] == [[-1], [-1], [4], [-1, 8]]
    assert config.HasField("dynamic_batching") and not config.dynamic_batching.preferred_batch_size


def test_requests_that_must_stay_alone_are_not_batched():
    config = parsed("images", image_signature(), Tuning(1))
    assert config.max_batch_size == 1 and not config.HasField("dynamic_batching")


def test_a_fixed_first_dimension_is_part_of_the_shape():
    signature = Signature(inputs=(spec("x", "int8", 4, 2),), outputs=(spec("y", "float64", 4),))
    config = parsed("fixed", signature, Tuning(8, (8,), 100))
    assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    assert [list(p.dims) for p in (*config.input, *config.output)] == [[4, 2], [4]]


def test_one_number_a_row_has_a_shape_outside():
    signature = Signature(inputs=(spec("x", "bool", "batch", 2),), outputs=(spec("y", "int64", "batch"),))
    output = parsed("numbers", signature, Tuning(8)).output[0]
    assert list(output.dims) == [1] and output.HasField("reshape") and not output.reshape.shape


def test_a_type_that_triton_lacks_is_refused():
    signature = Signature(inputs=(spec("x", "complex64", "batch", 2),), outputs=())
    with pytest.raises(Unsupported, match="complex64"):
        config_text("complex", signature, Tuning(8))
