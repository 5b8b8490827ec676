import pytest

from burnish.core.signature import Signature, TensorSpec


def test_words_become_sizes():
    spec = TensorSpec(name="ids", dtype="int64", shape=("batch", "length", 3))
    assert spec.resolve(batch=2, length=7) == (2, 7, 3)
    with pytest.raises(KeyError):
        spec.resolve(batch=2)


def test_free_dimensions_are_listed_once_in_order():
    one = TensorSpec(name="ids", dtype="int64", shape=("batch", "length"))
    two = TensorSpec(name="mask", dtype="int64", shape=("batch", "width", "length"))
    assert Signature(inputs=(one, two), outputs=()).free_dims == ("batch", "length", "width")


def test_json_keeps_words_and_numbers_apart():
    signature = Signature(inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", 3)),), outputs=())
    assert Signature.from_json(signature.to_json()) == signature
