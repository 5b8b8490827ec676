"""What text workloads share: token arrays as a split, and classifiers that export cleanly.

The padding mask reaches the encoder as a ready additive mask [batch, 1, 1, length]: the library's
own mask code looks at values and shapes while it is traced, which freezes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.split import Split, Tensors
from burnish.data.tables.parts import LENGTHS, Columns
from burnish.workloads._transformers import load_model, tokenize

_MASKED = -1e4
"""Added to a masked attention score: far below any real one, and still finite in half precision."""


class EncoderClassifier(nn.Module):
    """An encoder, the mean of its last hidden states over the tokens, and one linear layer."""

    def __init__(self, encoder: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(width, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask, int64 [N, length], to logits [N, classes]."""
        keep_NL = attention_mask.to(torch.float32)
        x_NLC = self.encoder(input_ids=input_ids, attention_mask=_additive(keep_NL)).last_hidden_state
        keep_NL1 = keep_NL[:, :, None]
        mean_NC = (x_NLC * keep_NL1).sum(1) / keep_NL1.sum(1).clamp(min=1.0)
        logits: Tensor = self.head(self.dropout(mean_NC))
        return logits


class WholeClassifier(nn.Module):
    """A model that already ends in classes; returns its logits as a plain tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask, int64 [N, length], to logits [N, classes]."""
        additive = _additive(attention_mask.to(torch.float32))
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=additive).logits
        return logits


def open_encoder(folder: Path) -> nn.Module:
    """The encoder of a model folder without its pooling layer, which `EncoderClassifier` leaves unused.

    Raises `Unsupported` when the encoder does not take an additive mask.
    """
    encoder = load_model(folder, classifier=False)
    if isinstance(getattr(encoder, "pooler", None), nn.Module):
        encoder.register_module("pooler", None)
    _check_mask(encoder, folder)
    return encoder


def open_classifier(folder: Path) -> WholeClassifier:
    """The classifier of a model folder. Raises `Unsupported` as `open_encoder` does."""
    model = load_model(folder, classifier=True)
    _check_mask(model, folder)
    return WholeClassifier(model)


def text_split(folder: Path, texts: list[str], targets: NDArray[np.int64], *, length: int) -> Split:
    """Texts tokenized once, padded to `length`; batches are trimmed to their longest row."""
    ids, mask, lengths = tokenize(folder, texts, length=length)
    inputs = {"input_ids": ids, "attention_mask": mask}
    return Split(inputs=inputs, targets=targets, prepare=trim, lengths=lengths)


def trim(inputs: Tensors) -> Tensors:
    """Cut columns in which every row of the batch is padding."""
    longest = max(1, int(inputs["attention_mask"].sum(dim=1).max()))
    return {name: tensor[:, :longest].contiguous() for name, tensor in inputs.items()}


def narrow_tokens(folder: Path, texts: list[str], *, length: int) -> Columns:
    """Token ids int32 and mask uint8 [N, length] and lengths [N], as they lie on disk; `trim_wide` goes with it."""
    ids, mask, lengths = tokenize(folder, texts, length=length)
    return {"input_ids": ids.astype(np.int32), "attention_mask": mask.astype(np.uint8), LENGTHS: lengths}


def trim_wide(inputs: Tensors) -> Tensors:
    """As `trim`, to the int64 that models take."""
    return {name: tensor.to(torch.int64) for name, tensor in trim(inputs).items()}


@dataclass(frozen=True, kw_only=True)
class HideWords:
    """Augmentation: each token becomes `mask_id` with probability `share`, those in `spare` and padding never.

    Source: word-level masking as in BERT (Devlin et al. 2019), here for fine-tuning and distillation.
    """

    share: float
    mask_id: int
    spare: tuple[int, ...]

    def __call__(self, inputs: Tensors, generator: torch.Generator) -> Tensors:
        """A batch of the same shape and dtype."""
        ids = inputs["input_ids"]
        hidden = (torch.rand(ids.shape, generator=generator) < self.share).to(ids.device)
        hidden &= ~torch.isin(ids, torch.tensor(self.spare, dtype=ids.dtype, device=ids.device))
        return {**inputs, "input_ids": torch.where(hidden, self.mask_id, ids)}


def text_signature(classes: int) -> Signature:
    """Two int64 inputs [batch, length], logits [batch, classes]."""
    names = ("input_ids", "attention_mask")
    return Signature(
        inputs=tuple(TensorSpec(name=name, dtype="int64", shape=("batch", "length")) for name in names),
        outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", classes)),),
    )


def text_served(length: int) -> tuple[Served, ...]:
    """One request at a time: padded to `length`, and at its own length."""
    return (Served(batch=1, sizes={"length": length}), Served(batch=1, sizes={"length": 0}))


def _additive(keep_NL: Tensor) -> Tensor:
    return (1.0 - keep_NL)[:, None, None, :] * _MASKED


@torch.no_grad()
def _check_mask(model: nn.Module, folder: Path) -> None:
    """The ready mask must do what the model's own mask does."""
    ids = torch.full((2, 6), 5)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    theirs = model(input_ids=ids, attention_mask=mask)[0]
    ours = model(input_ids=ids, attention_mask=_additive(mask.float()))[0]
    if theirs.ndim == 3:
        theirs, ours = theirs[:, :3], ours[:, :3]
    if not torch.allclose(theirs, ours, atol=1e-4):
        raise Unsupported(
            "this architecture does not take an additive attention mask",
            where=str(folder),
            why="its outputs differ from those with its own mask",
            help="give the model as package.module:function with a mask of your own",
        )
