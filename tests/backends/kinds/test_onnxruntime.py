import numpy as np
import pytest
import torch

from burnish.backends.bundle import to_numpy
from burnish.backends.kinds.onnxruntime import MODEL_FILE, PART
from burnish.core.errors import ArtifactError, RecipeError
from burnish.model.variant import Program, predict
from burnish.testing import (
    TinyImages,
    TinySequences,
    image_inputs,
    image_signature,
    sequence_inputs,
    sequence_signature,
)
from tests.backends import int8


def outputs(folder, program, inputs):
    executable = PART.load(folder, {"spin": False}, signature=program.signature, threads=1)
    found = executable(to_numpy(inputs))
    executable.close()
    return found


@pytest.mark.parametrize("make", [int8.images, int8.separable])
def test_int8_images_run_on_int8_kernels(make, tmp_path):
    program = make()
    PART.build(program, tmp_path, {})
    coverage = PART.coverage(tmp_path, {})
    assert {op.kind for op in coverage.ops} == {"QLinearConv", "QGemm"}
    assert coverage.op_share == 1.0
    for batch in (1, 3):
        inputs = image_inputs(batch, seed=batch)
        expected = predict(program.module, inputs)[0].numpy()
        assert np.abs(outputs(tmp_path, program, inputs)["scores"] - expected).max() < 0.15 * expected.std()


def test_int8_sequences_keep_their_free_length(tmp_path):
    program = int8.sequences()
    PART.build(program, tmp_path, {})
    assert PART.coverage(tmp_path, {}).byte_share == 1.0
    for batch, length in ((1, 5), (3, 17)):
        inputs = sequence_inputs(batch, length)
        expected = predict(program.module, inputs)[1].numpy()
        assert np.abs(outputs(tmp_path, program, inputs)["tokens"] - expected).max() < 0.15 * expected.std()


def test_dynamic_quantization_stores_int8(tmp_path):
    torch.manual_seed(0)
    module = TinySequences().eval()
    program = Program(signature=sequence_signature(), examples=sequence_inputs(2, 9), module=module)
    PART.build(program, tmp_path, {"quantize": "dynamic"})
    assert PART.coverage(tmp_path, {}).byte_share == 1.0
    inputs = sequence_inputs(3, 17)
    expected = predict(module, inputs)[1].numpy()
    assert np.abs(outputs(tmp_path, program, inputs)["tokens"] - expected).max() < 0.15 * expected.std()


def test_the_file_does_not_tell_where_the_source_lies(tmp_path):
    torch.manual_seed(0)
    PART.build(Program(signature=image_signature(), examples=image_inputs(2), module=TinyImages()), tmp_path, {})
    assert b".py" not in (tmp_path / MODEL_FILE).read_bytes()


def test_unknown_options_and_broken_files(tmp_path):
    with pytest.raises(RecipeError, match="static"):
        PART.build(Program(signature=image_signature(), examples={}), tmp_path, {"quantize": "static"})
    (tmp_path / MODEL_FILE).write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="cannot open"):
        PART.load(tmp_path, {}, signature=image_signature(), threads=1)
