import logging
import warnings

import pytest
import torch
from torch import nn

from burnish.backends.export import FourDimensionalAttention, dynamic_axes, explain_trace, export, quiet
from burnish.core.errors import Unsupported
from burnish.model.variant import Program
from burnish.testing import TinySequences, sequence_inputs, sequence_signature


class Branch(nn.Module):
    def forward(self, tokens):
        if tokens.sum() > 0:  # the guilty line
            return tokens
        return -tokens


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ModuleList([nn.Identity(), Branch()])

    def forward(self, ids, mask):
        tokens = (ids * mask).float()[..., None].expand(-1, -1, 8)
        return tokens[:, 0, :4], self.inner[1](tokens)


def program(module):
    return Program(signature=sequence_signature(), examples=sequence_inputs(2, 9), module=module)


def test_free_dimensions_stay_free():
    exported = export(program(TinySequences()), "eager")
    (ids, _) = (node for node in exported.graph.nodes if node.name in ("ids", "mask"))
    assert all(not isinstance(size, int) for size in ids.meta["val"].shape)


def test_the_line_that_cannot_be_traced_is_named():
    with pytest.raises(Unsupported) as caught:
        export(program(Branching()), "eager")
    assert "inner.1 (Branch)" in caught.value.where
    assert "test_export.py:" in caught.value.where
    assert "if tokens.sum() > 0" in caught.value.why
    assert caught.value.help


def test_a_frozen_dimension_is_refused():
    class Frozen(TinySequences):
        def forward(self, ids, mask):
            return super().forward(ids[:, : len(range(9))].reshape(2, 9), mask)

    with pytest.raises(Unsupported, match="cannot trace"):
        export(program(Frozen()), "eager")


def test_an_onnx_program_has_no_module():
    only_bytes = Program(signature=sequence_signature(), examples={}, onnx_bytes=b"x")
    with pytest.raises(Unsupported, match="not an ONNX file"):
        export(only_bytes, "eager")


def test_errors_that_are_not_about_tracing_pass():
    with pytest.raises(KeyboardInterrupt), explain_trace(nn.Identity(), "eager"):
        raise KeyboardInterrupt


def test_quiet_puts_levels_back():
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with quiet():
        warnings.warn("about yourself", FutureWarning, stacklevel=1)
        assert logger.level == logging.ERROR
    assert logger.level == before


def test_axes_have_the_words_of_the_signature():
    assert dynamic_axes(sequence_signature())["tokens"] == {0: "batch", 1: "length"}


@pytest.mark.parametrize("mask_dims", [0, 2, 3])
def test_attention_is_the_same_with_a_head_dimension(mask_dims):
    query, key, value = torch.randn(3, 2, 5, 8)
    mask = {0: None, 2: torch.randn(5, 5), 3: torch.randn(2, 1, 5)}[mask_dims]
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with FourDimensionalAttention():
        found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected)
