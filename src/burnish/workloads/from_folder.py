"""A text classifier from a Hugging Face model folder and a table of texts and labels.

The folder holds config.json, safetensors weights and the tokenizer. A model that already ends in
classes (`...ForSequenceClassification`) is taken as trained; an encoder gets a fresh head.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.errors import BadData
from burnish.data.divide import divide
from burnish.data.tables.read import read_table
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads._transformers import is_classifier, read_config
from burnish.workloads.text import (
    EncoderClassifier,
    open_classifier,
    open_encoder,
    text_served,
    text_signature,
    text_split,
)
from burnish.workloads.workload import Workload


def from_folder(
    folder: Path, *, data: str, text: str = "text", label: str = "label", length: int = 128, seed: int = 0
) -> Workload:
    """Classify the column `text` of `data` (.parquet, .csv, .tsv, .jsonl) into the values of `label`.

    Rows with a text seen before are dropped; the rest is divided 80/10/10 by `seed`. `length` is
    the most tokens of a text. Raises `BadData`, `MissingData`, `MissingExtra`, `Unsupported`.
    """
    path = Path(data).expanduser()
    table = read_table(path, (text, label))
    trained = is_classifier(folder)
    config = read_config(folder)
    names = _label_names(config) if trained else ()
    texts, targets, classes = _rows(table[text], table[label], names, where=f"{path}, column {label!r}")
    whole = text_split(folder, texts, targets, length=length)
    train, validation, test = (whole.take(rows) for rows in divide(targets, (0.8, 0.1, 0.1), seed=seed))
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


def _rows(
    texts: NDArray[Any], labels: NDArray[Any], names: tuple[str, ...], *, where: str
) -> tuple[list[str], NDArray[np.int64], tuple[str, ...]]:
    """Distinct texts, their class numbers, and the class names (of the model, or found in the data)."""
    if texts.dtype != object:
        raise BadData("the text column holds no texts", where=where, help="name the right column with text=")
    _, first = np.unique(texts.astype(str), return_index=True)
    first.sort()
    labels = labels[first]
    if labels.dtype.kind == "f":
        raise BadData("labels are fractions", where=where, help="give whole numbers or names")
    if not names:
        values, targets = np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)
        if len(values) < 2:
            raise BadData("all labels are the same", where=where, help="give rows of at least two classes")
        return texts[first].tolist(), targets.astype(np.int64), tuple(str(value) for value in values)
    if labels.dtype == object:
        number = {name: index for index, name in enumerate(names)}
        strange = sorted({str(value) for value in labels} - set(names))
        if strange:
            raise BadData(
                f"the model knows no class {strange[0]!r}", where=where, help="its classes: " + ", ".join(names)
            )
        labels = np.array([number[value] for value in labels])
    elif labels.min() < 0 or labels.max() >= len(names):
        raise BadData(
            f"labels go from {labels.min()} to {labels.max()}, but the model has {len(names)} classes", where=where
        )
    return texts[first].tolist(), labels.astype(np.int64), names
