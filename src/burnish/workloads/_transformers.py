"""Hugging Face models and tokenizers from a local folder: the only file that knows transformers.

Nothing is fetched from a hub, and no code that lies in a model folder is run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from burnish.core.errors import BadData, MissingExtra, Unsupported
from burnish.core.files import digest, sha256

_HELP = "pip install 'burnish[text]'"
_CLASSIFIER = "ForSequenceClassification"


def is_classifier(folder: Path) -> bool:
    """Whether the folder holds a model that already ends in classes."""
    return any(name.endswith(_CLASSIFIER) for name in read_config(folder).get("architectures") or ())


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises `BadData`."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadData("the model's config cannot be read", where=str(path), why=str(error)) from None
    if not isinstance(config, dict):
        raise BadData("the model's config is not a JSON object", where=str(path))
    return config


def load_model(folder: Path, *, classifier: bool) -> nn.Module:
    """The encoder, or the whole classifier, in fp32 and evaluation mode, with weights from the folder.

    Raises `MissingExtra`, and `Unsupported` when transformers cannot open it.
    """
    with _quiet() as transformers:
        auto = transformers.AutoModelForSequenceClassification if classifier else transformers.AutoModel
        try:
            model = auto.from_pretrained(
                folder, local_files_only=True, attn_implementation="sdpa", dtype="float32", use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise Unsupported("transformers cannot open this model", where=str(folder), why=str(error)) from None
    assert isinstance(model, nn.Module)
    return model.eval()


def tokenize(
    folder: Path, texts: Sequence[str], *, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids [N, length], mask [N, length] (1 for a token, 0 for padding), and true lengths [N].

    Longer texts are cut. Raises `MissingExtra`, `Unsupported`.
    """
    with _quiet() as transformers:
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise Unsupported("there is no tokenizer for this model", where=str(folder), why=str(error)) from None
        rows = tokenizer(list(texts), truncation=True, max_length=length, padding=False)["input_ids"]
    lengths = np.array([len(row) for row in rows], np.int64)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    ids = np.full((len(rows), length), tokenizer.pad_token_id or 0, np.int64)
    ids[mask.astype(bool)] = np.concatenate([np.asarray(row, np.int64) for row in rows]) if rows else 0
    return ids, mask, lengths


def tokenizer_key(folder: Path, length: int) -> str:
    """A hash of the folder's files but the weights, of the library's version and of `length`."""
    with _quiet() as transformers:
        version: str = transformers.__version__
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".txt", ".model"))
    return digest(version, str(length), *(part for file in files for part in (file.name, sha256(file))))


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """The library, with its bars and notices off for the length of the block. Raises `MissingExtra`."""
    try:
        import transformers
    except ImportError:
        raise MissingExtra("text models need the package transformers", help=_HELP) from None
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield transformers
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def empty_model(config: Path) -> nn.Module:
    """The model of a config.json on the meta device: shapes without memory. Raises `MissingExtra`, `Unsupported`."""
    import torch

    with _quiet() as transformers:
        try:
            made = transformers.AutoConfig.from_pretrained(config.parent, _configuration_file=config.name)
            head = (read_config(config.parent).get("architectures") or [""])[0]
            auto = transformers.AutoModelForCausalLM if head.endswith("ForCausalLM") else transformers.AutoModel
            with torch.device("meta"):
                model = auto.from_config(made, attn_implementation="sdpa", dtype=torch.float32)
        except (OSError, ValueError, KeyError) as error:
            raise Unsupported("transformers cannot open this model", where=str(config), why=str(error)) from None
    model.config.use_cache = False
    assert isinstance(model, nn.Module)
    return model
