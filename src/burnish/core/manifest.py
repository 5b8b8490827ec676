"""The manifest of an artifact: what is in the folder, where it came from, how to call it."""

from __future__ import annotations

from typing import Any

from burnish.core.machine import Machine
from burnish.core.noun import Noun
from burnish.core.signature import Served, Signature


class Record(Noun):
    """One replayable step from the original architecture to this one.

    `kind` names who can replay it (`resize`, `fake-quantize`); `data` is plain JSON.
    """

    kind: str
    data: dict[str, Any]


class Manifest(Noun):
    """`manifest.json` of an artifact folder."""

    name: str
    workload: str
    created: str
    backend: str
    options: dict[str, Any]
    threads: int
    signature: Signature
    served: tuple[Served, ...]
    preprocessing: str
    labels: tuple[str, ...] = ()
    files: dict[str, str]
    content_hash: str
    records: tuple[Record, ...]
    lineage: tuple[str, ...]
    evidence: dict[str, Any]
    tolerance: float
    machine: Machine
    licence: str = ""
