"""What all peers are built from: the trained base, its exports, calibration rows, a place for files.

Built peers are kept by content: the base's key, the tool's settings, the versions of the libraries
and the source of the file that builds them. A second run takes them from there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _lib.candidate import Candidate
from _lib.module_worker import WEIGHTS, describe
from _lib.ours import Ours, program, stage_variant
from burnish.core.doors import BACKENDS
from burnish.core.files import digest, new_folder
from burnish.core.machine import versions
from burnish.core.progress import Progress
from burnish.measure.size import folder_bytes, weights_bytes
from burnish.model.variant import Variant
from burnish.model.weights import save_state
from burnish.passes.pruning.heads import attention_projections
from burnish.pipeline.cache import cache_root
from burnish.workloads.workload import Workload

CALIBRATION_ROWS = 300
_PACKAGES = ("torch", "onnx", "onnxruntime", "openvino", "nncf")

Build = Callable[[Path], None]


@dataclass(kw_only=True)
class Bench:
    """The base of a run, and where peers are built."""

    ours: Ours
    threads: int
    progress: Progress

    @property
    def workload(self) -> Workload:
        """The workload that everybody works for."""
        return self.ours.workload

    @cached_property
    def base(self) -> Variant:
        """The trained, uncompressed model: the fit stage of our run."""
        row = next(row for row in self.ours.ledger.stages if row.verdict == "base")
        return stage_variant(self.ours, row.stage)

    @cached_property
    def is_text(self) -> bool:
        """Whether the model has attention: tools have settings of their own for that."""
        return bool(attention_projections(self.base.module, program(self.workload, self.base).examples))

    @cached_property
    def base_bytes(self) -> int:
        """Bytes of the base's weights."""
        return weights_bytes(self.base.module)

    @cached_property
    def root(self) -> Path:
        """Where files of benchmarks are kept."""
        return cache_root() / "benchmarks"

    @cached_property
    def calibration(self) -> list[dict[str, NDArray[np.generic]]]:
        """300 training rows, drawn at random, one at a time."""
        train = self.workload.train
        rows = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_ROWS]
        return [{k: v.numpy() for k, v in train.batch(rows[i : i + 1]).inputs.items()} for i in range(len(rows))]

    def kept(self, name: str, settings: Mapping[str, Any], build: Build) -> Path:
        """A folder that `build` fills, made once for this base, these settings and this code."""
        source = Path(inspect.getfile(build)).read_bytes()
        spec = json.dumps(dict(settings), sort_keys=True, default=str)
        key = digest(self.ours.base_key, name, spec, json.dumps(versions(_PACKAGES)), source)
        path = self.root / "peers" / key
        if not path.exists():
            with new_folder(path) as folder:
                build(folder)
        return path

    def module_folder(self) -> Path:
        """The base as a module: description and weights."""

        def build(folder: Path) -> None:
            recipe = self.ours.recipe
            describe(folder, recipe.workload, recipe.settings, recipe.seed)
            save_state(self.base.module, folder / WEIGHTS)

        return self.kept("module", {}, build)

    def exported(self, backend: str) -> Path:
        """The base as Burnish's backend exports it, in floating point."""

        def build(folder: Path) -> None:
            options = {"quantize": "none"} if backend == "onnxruntime" else {}
            BACKENDS.get(backend).build(program(self.workload, self.base), folder, options)

        return self.kept(f"export {backend}", {}, build)

    def peer(
        self,
        label: str,
        family: str,
        backend: str,
        build: Build | None,
        settings: Mapping[str, Any],
        *,
        folder: Path | None = None,
        options: Mapping[str, Any] | None = None,
        int8: bool = False,
        failures: tuple[type[Exception], ...] = (Exception,),
    ) -> Candidate:
        """Build a peer, or take it as it is in `folder`. A failure becomes the candidate's `error`."""
        made = Candidate(
            label=label, family=family, kind="peer", int8=int8, backend=backend, options=dict(options or {})
        )
        made.notes = {"settings": dict(settings)}
        try:
            made.folder = folder or self.kept(label, settings, build or _nothing)
        except failures as error:
            made.error = f"{type(error).__name__}: {error}"
            return made
        made.size_bytes = folder_bytes(made.folder)
        return made


def _nothing(folder: Path) -> None:
    del folder
