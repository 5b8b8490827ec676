"""A trained model in an ONNX file, with rows in an `.npz` file: for post-training passes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.kinds.onnxruntime import open_graph
from burnish.backends.onnx_ports import Seen, input_specs, output_specs, prepared
from burnish.core.doors import METRICS
from burnish.core.errors import BadData, MissingData, Unsupported, did_you_mean
from burnish.core.signature import Served, Signature
from burnish.data.divide import divide
from burnish.data.npz import read_npz
from burnish.data.split import Split
from burnish.model.onnx_graph import OnnxGraph
from burnish.train.losses import cross_entropy, mse
from burnish.workloads.workload import Workload

Arrays = dict[str, NDArray[Any]]


def from_onnx(
    path: Path, *, data: str, target: str = "target", metric: str = "", batch: int = 1, seed: int = 0
) -> Workload:
    """The graph in `path` on the arrays in `data`, one per input by its name and one called `target`.

    Rows are divided by `seed`: 40 % to calibrate on, 30 % to choose by, 30 % to report. The metric is
    accuracy for whole-number targets, else mse. A batch dimension that was exported as a number is
    set free. Raises `MissingData`, `BadData`, `Unsupported`.
    """
    graph = prepared(_read(path))
    arrays = read_npz(Path(data).expanduser())
    specs = input_specs(graph)
    targets = _pick(arrays, target, "the targets", data)
    inputs = {spec.name: _checked(_pick(arrays, spec.name, "an input", data), spec.dtype, spec.name) for spec in specs}
    for name, array in inputs.items():
        if len(array) != len(targets):
            raise BadData(f"{len(array)} rows of {name!r} but {len(targets)} targets", where=data)
    if len(targets) < 20:
        raise BadData(f"{len(targets)} rows", where=data, help="give at least 20; some hundreds are usual")
    signature = Signature(inputs=specs, outputs=())
    seen = _try(path, graph, {name: array[:2] for name, array in inputs.items()})
    signature = Signature(inputs=specs, outputs=output_specs(graph, seen, signature.free_dims))
    whole = targets.dtype.kind in "iub"
    classes = signature.outputs[0].shape[1] if whole and len(signature.outputs[0].shape) == 2 else 0
    if whole:
        targets = targets.astype(np.int64)
    chosen = METRICS.get(metric or ("accuracy" if whole else "mse"))
    everything = Split(inputs=inputs, targets=targets)
    groups = targets if whole and targets.ndim == 1 else np.zeros(len(targets), np.int64)
    train, validation, test = (everything.take(rows) for rows in divide(groups, (0.4, 0.3, 0.3), seed=seed))
    free = {dim: 0 for dim in signature.free_dims if dim != "batch"}
    return Workload(
        name=path.stem,
        title=f"{path.name} on {Path(data).name}",
        build=_Build(graph),
        train=train,
        validation=validation,
        test=test,
        loss=cross_entropy() if whole else mse(),
        metric=chosen,
        signature=signature,
        served=(Served(batch=batch, sizes=free),),
        trained=True,
        labels=tuple(map(str, range(classes))) if isinstance(classes, int) and classes > 1 else (),
        preprocessing="as the arrays in the data file were",
    )


class _Build:
    """Makes the module; a class so that its module's code is part of content keys."""

    def __init__(self, graph: bytes) -> None:
        self._graph = graph

    def __call__(self) -> OnnxGraph:
        return OnnxGraph(self._graph, open_graph)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingData(
            "the ONNX file cannot be read", where=str(path), why=error.strerror or str(error), help="check the path"
        ) from error


def _pick(arrays: Mapping[str, NDArray[Any]], name: str, what: str, data: str) -> NDArray[Any]:
    if name not in arrays:
        near = did_you_mean(name, arrays)
        raise BadData(f"no array {name!r} for {what}", where=data, why="it has " + ", ".join(arrays), help=near)
    if arrays[name].ndim == 0:
        raise BadData(f"the array {name!r} is a single number", where=data, help="give one row per sample")
    return arrays[name]


def _checked(array: NDArray[Any], dtype: str, name: str) -> NDArray[Any]:
    if array.dtype.name == dtype:
        return array
    if array.dtype.kind != np.dtype(dtype).kind:
        raise BadData(
            f"the array {name!r} is {array.dtype.name}, the ONNX file takes {dtype}",
            help=f"convert it with .astype({dtype!r})",
        )
    return array.astype(dtype)


def _try(path: Path, graph: bytes, rows: Mapping[str, NDArray[Any]]) -> list[Seen]:
    """dtype and shape of every output for two rows. Raises `Unsupported` when two at once cannot be."""
    run: Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]] = open_graph(graph)
    try:
        found = run(rows)
    except BadData as error:
        raise Unsupported(
            "the ONNX file does not run on two rows at once",
            where=str(path),
            why=error.why,
            help="export it with a free batch dimension, and check the shapes of the data",
        ) from error
    for name, array in found.items():
        if array.ndim == 0 or len(array) != 2:
            raise Unsupported(f"the output {name!r} has no row per sample", where=str(path), why=f"shape {array.shape}")
    return [(array.dtype.name, array.shape) for array in found.values()]
