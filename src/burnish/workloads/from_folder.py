"""A text classifier from a Hugging Face model folder and a table of texts and labels.

The folder holds config.json, safetensors weights and the tokenizer. A model that already ends in
classes (`...ForSequenceClassification`) is taken as trained; an encoder gets a fresh head.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from burnish.core.doors import METRICS
from burnish.data.tables.texts import open_texts
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads._transformers import is_classifier, read_config, tokenizer_key
from burnish.workloads.text import (
    EncoderClassifier,
    narrow_tokens,
    open_classifier,
    open_encoder,
    text_served,
    text_signature,
    trim_wide,
)
from burnish.workloads.workload import Workload


def from_folder(
    folder: Path, *, data: str, text: str = "text", label: str = "label", length: int = 128, seed: int = 0
) -> Workload:
    """Classify the column `text` of `data` (.parquet, .csv, .tsv, .jsonl) into the values of `label`.

    Rows with a text seen before are dropped; the rest is divided 80/10/10 by `seed`. `length` is
    the most tokens of a text. Rows are mapped from the cache folder, so the table may be larger than memory.
    Raises `BadData`, `MissingData`, `MissingExtra`, `Unsupported`.
    """
    path = Path(data).expanduser()
    trained = is_classifier(folder)
    config = read_config(folder)
    table = open_texts(
        path,
        text=text,
        label=label,
        names=_label_names(config) if trained else (),
        encode=functools.partial(narrow_tokens, folder, length=length),
        encoder=tokenizer_key(folder, length),
        seed=seed,
    )
    train, validation, test = (replace(part, prepare=trim_wide) for part in table.parts)
    classes = table.classes
    build = (
        functools.partial(open_classifier, folder)
        if trained
        else functools.partial(_build, folder, int(config.get("hidden_size") or config["dim"]), len(classes))
    )
    return Workload(
        name=folder.name,
        title=f"{path.name}, {folder.name}",
        build=build,
        train=train,
        validation=validation,
        test=test,
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=text_signature(len(classes)),
        served=text_served(length),
        fit=FitSettings(epochs=3, batch_size=32, learning_rate=1e-4, schedule="linear"),
        trained=trained,
        labels=classes,
        preprocessing=f"the model's tokenizer, at most {length} tokens",
    )


def _build(folder: Path, width: int, classes: int) -> nn.Module:
    return EncoderClassifier(open_encoder(folder), width, classes)


def _label_names(config: dict[str, Any]) -> tuple[str, ...]:
    """Class names in order; transformers leaves them out where they are LABEL_0 and LABEL_1."""
    names: dict[str, str] = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return tuple(names[key] for key in sorted(names, key=int))
