"""A trained model in an ONNX file, with rows in an `.npz` file or a table: for post-training passes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from burnish.backends.kinds.onnxruntime import open_graph
from burnish.backends.onnx_ports import Seen, input_specs, output_specs, prepared
from burnish.core.doors import METRICS
from burnish.core.errors import BadData, MissingData, Unsupported, did_you_mean
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.divide import divide
from burnish.data.npz import read_npz
from burnish.data.split import Split, Tensors
from burnish.data.tables.mapped import column_names, open_table
from burnish.data.tables.sources import TABLES
from burnish.model.onnx_graph import OnnxGraph
from burnish.train.losses import cross_entropy, mse
from burnish.workloads.workload import Workload

Arrays = dict[str, NDArray[Any]]
Specs = Sequence[TensorSpec]

_SHARES = (0.4, 0.3, 0.3)


def from_onnx(
    path: Path, *, data: str, target: str = "target", metric: str = "", batch: int = 1, seed: int = 0
) -> Workload:
    """The graph in `path` on the rows in `data`, one array per input by its name and one called `target`.

    `data` is an `.npz` file or a table (.parquet, .csv, .tsv, .jsonl), whose rows are mapped from the cache folder and
    may be more than memory holds. The only input of a graph may also be all columns of a table but the target.
    Rows are divided by `seed`: 40 % to calibrate on, 30 % to choose by, 30 % to report. The metric is
    accuracy for whole-number targets, else mse. A batch dimension that was exported as a number is
    set free. Raises `MissingData`, `BadData`, `Unsupported`.
    """
    graph = prepared(_read(path))
    specs = input_specs(graph)
    read = _mapped if Path(data).suffix.lower() in TABLES else _loaded
    train, validation, test = read(Path(data).expanduser(), specs, target, seed)
    signature = Signature(inputs=specs, outputs=())
    first = train.batch(np.arange(min(2, len(train)))).inputs
    seen = _try(path, graph, {name: tensor.numpy() for name, tensor in first.items()})
    signature = Signature(inputs=specs, outputs=output_specs(graph, seen, signature.free_dims))
    whole = train.targets.dtype.kind == "i"
    classes = signature.outputs[0].shape[1] if whole and len(signature.outputs[0].shape) == 2 else 0
    chosen = METRICS.get(metric or ("accuracy" if whole else "mse"))
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


def _loaded(path: Path, specs: Specs, target: str, seed: int) -> tuple[Split, ...]:
    """The three parts of an `.npz` file, in memory."""
    arrays, data = read_npz(path), str(path)
    targets = _pick(arrays, target, "the targets", data)
    inputs = {spec.name: _checked(_pick(arrays, spec.name, "an input", data), spec.dtype, spec.name) for spec in specs}
    for name, array in inputs.items():
        if len(array) != len(targets):
            raise BadData(f"{len(array)} rows of {name!r} but {len(targets)} targets", where=data)
    _enough(len(targets), data)
    whole = targets.dtype.kind in "iub"
    if whole:
        targets = targets.astype(np.int64)
    everything = Split(inputs=inputs, targets=targets)
    groups = targets if whole and targets.ndim == 1 else np.zeros(len(targets), np.int64)
    return tuple(everything.take(rows) for rows in divide(groups, _SHARES, seed=seed))


def _mapped(path: Path, specs: Specs, target: str, seed: int) -> tuple[Split, ...]:
    """The three parts of a table, mapped; numbers get the graph's dtype in every batch."""
    names = column_names(path)
    rest = [name for name in names if name != target]
    columns = {spec.name: [spec.name] if spec.name in names or len(specs) > 1 else rest for spec in specs}
    table = open_table(path, inputs=columns, target=target, shares=_SHARES, seed=seed)
    parts = table.parts
    if table.classes:
        raise BadData(
            "the targets are texts, and an ONNX file has numbers for its classes",
            where=f"{path}, column {target!r}",
            help="write the number of each class",
        )
    _enough(sum(map(len, parts)), str(path))
    for spec in specs:
        _checked(parts[0].inputs[spec.name][:1], spec.dtype, spec.name)
    cast = partial(_cast, {spec.name: getattr(torch, spec.dtype) for spec in specs})
    return tuple(replace(part, prepare=cast) for part in parts)


def _cast(dtypes: Mapping[str, torch.dtype], inputs: Tensors) -> Tensors:
    return {name: tensor.to(dtypes[name]) for name, tensor in inputs.items()}


def _enough(count: int, data: str) -> None:
    if count < 20:
        raise BadData(f"{count} rows", where=data, help="give at least 20; some hundreds are usual")


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
