import numpy as np
import pytest
import torch

from burnish.backends.bundle import to_numpy
from burnish.backends.kinds.openvino import MODEL_FILE, PART
from burnish.core.errors import ArtifactError, RecipeError, Unsupported
from burnish.core.signature import Signature, TensorSpec
from burnish.model.variant import Program, predict
from burnish.testing import TinyImages, image_inputs, image_signature, sequence_inputs
from tests.backends import int8

F32 = {"precision": "f32"}


def outputs(folder, program, inputs, threads=1):
    executable = PART.load(folder, F32, signature=program.signature, threads=threads)
    found = executable(to_numpy(inputs))
    executable.close()
    return found


def test_int8_images_are_stored_and_run_as_int8(tmp_path):
    program = int8.images()
    PART.build(program, tmp_path, F32)
    assert PART.coverage(tmp_path, F32).op_share == 1.0
    weights = sum(p.numel() for p in TinyImages().parameters())
    assert (tmp_path / "model.bin").stat().st_size < 2.5 * weights
    for batch in (1, 3):
        inputs = image_inputs(batch, seed=batch)
        expected = predict(program.module, inputs)[0].numpy()
        found = outputs(tmp_path, program, inputs)["scores"]
        assert np.abs(found - expected).max() < 0.15 * expected.std()


def test_int8_sequences_keep_their_free_length(tmp_path):
    program = int8.sequences()
    PART.build(program, tmp_path, F32)
    assert PART.coverage(tmp_path, F32).byte_share == 1.0
    for batch, length in ((1, 5), (3, 17)):
        inputs = sequence_inputs(batch, length)
        expected = predict(program.module, inputs)[1].numpy()
        assert np.abs(outputs(tmp_path, program, inputs)["tokens"] - expected).max() < 0.15 * expected.std()


def test_fp32_coverage_counts_weight_bytes(tmp_path):
    torch.manual_seed(0)
    PART.build(Program(signature=image_signature(), examples=image_inputs(2), module=TinyImages()), tmp_path, F32)
    ops = PART.coverage(tmp_path, F32).ops
    assert {op.precision for op in ops} == {"fp32"}
    assert sum(op.weight_bytes for op in ops) >= 4 * (8 * 27 + 16 * 72 + 80)


def test_an_onnx_file_can_be_built(tmp_path):
    onnxruntime = pytest.importorskip("burnish.backends.kinds.onnxruntime").PART
    torch.manual_seed(0)
    module = TinyImages().eval()
    onnxruntime.build(Program(signature=image_signature(), examples=image_inputs(2), module=module), tmp_path, {})
    data = (tmp_path / "model.onnx").read_bytes()
    program = Program(signature=image_signature(), examples={}, onnx_bytes=data)
    PART.build(program, tmp_path, F32)
    inputs = image_inputs(5)
    expected = predict(module, inputs)[0].numpy()
    np.testing.assert_allclose(outputs(tmp_path, program, inputs)["scores"], expected, atol=1e-5)


def test_an_unknown_precision_is_a_recipe_error(tmp_path):
    with pytest.raises(RecipeError, match="int4"):
        PART.load(tmp_path, {"precision": "int4"}, signature=image_signature(), threads=1)


def test_a_missing_or_broken_file_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError, match="missing"):
        PART.load(tmp_path, F32, signature=image_signature(), threads=1)
    (tmp_path / MODEL_FILE).write_text("<broken")
    with pytest.raises(ArtifactError, match="cannot compile"):
        PART.load(tmp_path, F32, signature=image_signature(), threads=1)


def test_what_cannot_be_traced_names_the_line(tmp_path):
    class Strange(torch.nn.Module):
        def forward(self, image):
            return image.no_such_method()

    with pytest.raises(Unsupported) as caught:
        PART.build(Program(signature=image_signature(), examples=image_inputs(2), module=Strange()), tmp_path, F32)
    assert "test_openvino.py" in caught.value.where
    assert "no_such_method" in caught.value.why


def test_the_same_model_gives_the_same_file_whatever_was_converted_before(tmp_path):
    program = int8.images()
    files = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        PART.build(program, folder, {"precision": "f32"})
        files.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert files[0] == files[1]


class Words(torch.nn.Module):
    """A table of 3,000 words, averaged and mixed, into two classes; or, tied, into the words themselves."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(3000, 64)
        self.mix = torch.nn.Sequential(torch.nn.Linear(64, 1024), torch.nn.GELU(), torch.nn.Linear(1024, 64))
        self.head = torch.nn.Linear(64, 3000 if tied else 2, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.mix(self.table(words).mean(1)))
        return scores


@pytest.mark.parametrize(("tied", "bytes_a_number"), [(False, 1.1), (True, 2.1)])
def test_tables_of_a_16_bit_program_are_stored_in_8_bits_unless_they_are_also_multiplied(
    tmp_path, tied, bytes_a_number
):
    torch.manual_seed(0)
    module = Words(tied).eval()
    signature = Signature(
        inputs=(TensorSpec(name="words", dtype="int64", shape=("batch", "length")),),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=("batch", 3000 if tied else 2)),),
    )
    words = {"words": torch.randint(0, 3000, (4, 9))}
    bf16 = {"precision": "bf16"}
    PART.build(Program(signature=signature, examples=words, module=module), tmp_path, bf16)
    assert (tmp_path / "model.bin").stat().st_size < bytes_a_number * 3000 * 64 + 2.1 * 2 * 1024 * 64 + 20_000
    executable = PART.load(tmp_path, F32, signature=signature, threads=1)
    found = executable(to_numpy(words))["scores"]
    executable.close()
    expected = predict(module, words)[0].numpy()
    assert np.abs(found - expected).max() < 0.02 * expected.std()


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_the_same_model_gives_the_same_files_whatever_came_before(tmp_path, precision):
    torch.manual_seed(0)
    program = Program(signature=image_signature(), examples=image_inputs(2), module=TinyImages().eval())
    files = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        PART.build(program, folder, {"precision": precision})
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]
