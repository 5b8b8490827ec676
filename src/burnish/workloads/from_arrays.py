"""A workload from a plain module and arrays or data loaders, for `burnish.optimize` in Python."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from burnish.core.doors import METRICS
from burnish.core.errors import RecipeError, did_you_mean
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.split import Split
from burnish.measure.metric import Array, Metric
from burnish.model.variant import predict
from burnish.train.losses import cross_entropy, mse
from burnish.train.settings import FitSettings, Loss
from burnish.workloads.given_rows import inputs_only, split_from
from burnish.workloads.workload import Workload

UserLoss = str | Callable[..., Tensor]
UserMetric = str | Metric | Callable[[Array, Array], float]
_LOSSES: Mapping[str, Callable[[], Loss]] = {"cross_entropy": cross_entropy, "mse": mse}


class _Called(Metric):
    """A user's function of predictions and targets as a metric."""

    def __init__(self, function: Callable[[Array, Array], float]) -> None:
        self._function = function
        self.name = getattr(function, "__name__", "metric").strip("<>")
        self.points = False

    def compute(self, predictions: Array, targets: Array) -> float:
        """See `Metric.compute`."""
        return float(self._function(predictions, targets))


def from_arrays(
    model: nn.Module,
    *,
    train: Any,
    test: Any,
    validation: Any = None,
    unlabelled: Any = None,
    loss: UserLoss = "cross_entropy",
    metric: UserMetric = "accuracy",
    trained: bool = True,
    fit: FitSettings | None = None,
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    served: tuple[Served, ...] = (),
    seed: int = 0,
    name: str = "",
) -> Workload:
    """Build the workload.

    `train`, `test`, `validation`: a pair (inputs, targets) of arrays or tensors, where inputs is
    one array, a tuple, or a dict by the forward method's argument names; or an iterable of such
    batches (a DataLoader). Without `validation`, 15 % of the training rows are held out by seed.
    `unlabelled`: inputs alone, from which a compressed model learns the answers of the whole one.
    `dynamic` names dimensions that vary between calls: `{"input_ids": {1: "length"}}`.
    Raises `BadData`, `RecipeError`.
    """
    names = forward_names(model)
    train_split, test_split = (split_from(part, names, label) for part, label in ((train, "train"), (test, "test")))
    if validation is None:
        order = np.random.default_rng(seed).permutation(len(train_split))
        held = max(1, round(0.15 * len(order)))
        validation_split = train_split.take(np.sort(order[:held]))
        train_split = train_split.take(np.sort(order[held:]))
    else:
        validation_split = split_from(validation, names, "validation")
    signature = signature_of(model, train_split, dynamic or {})
    sizes = {dim: 0 for dim in signature.free_dims if dim != "batch"}
    classes = _classes(train_split, loss)
    extra = None if unlabelled is None else inputs_only(unlabelled, names, train_split)
    return Workload(
        name=name or type(model).__name__,
        title=f"{type(model).__name__} on {len(train_split)} training rows",
        build=lambda: copy.deepcopy(model).eval(),
        train=train_split,
        validation=validation_split,
        test=test_split,
        unlabelled=extra,
        loss=_loss(loss),
        metric=_metric(metric),
        signature=signature,
        served=served or (Served(batch=1, sizes=sizes),),
        fit=fit or FitSettings(),
        trained=trained,
        labels=tuple(str(i) for i in range(classes)),
        preprocessing="as the training arrays were",
    )


def forward_names(model: nn.Module) -> list[str]:
    """Names of the forward method's positional arguments. Raises `RecipeError` on `*args`."""
    kinds = inspect.signature(model.forward).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY) for p in kinds):
        raise RecipeError(
            "the model's forward takes unnamed arguments",
            where=type(model).__name__,
            help="give forward named arguments: def forward(self, x)",
        )
    return [p.name for p in kinds if p.kind == p.POSITIONAL_OR_KEYWORD]


def signature_of(model: nn.Module, split: Split, dynamic: Mapping[str, Mapping[int, str]]) -> Signature:
    """Names, dtypes and shapes, by running two rows through the model."""
    batch = split.batch(np.arange(min(2, len(split))))
    inputs = tuple(_spec(name, tensor, dynamic.get(name, {})) for name, tensor in batch.inputs.items())
    outputs = predict(model, batch.inputs)
    names = ["output"] if len(outputs) == 1 else [f"output_{i}" for i in range(len(outputs))]
    return Signature(inputs=inputs, outputs=tuple(_spec(n, t, {}) for n, t in zip(names, outputs, strict=True)))


def _spec(name: str, tensor: Tensor, words: Mapping[int, str]) -> TensorSpec:
    dims = {0: "batch", **words}
    shape = tuple(dims.get(axis, size) for axis, size in enumerate(tensor.shape))
    return TensorSpec(name=name, dtype=str(tensor.dtype).removeprefix("torch."), shape=shape)


def _classes(split: Split, loss: UserLoss) -> int:
    whole = np.issubdtype(split.targets.dtype, np.integer) and split.targets.ndim == 1
    return int(split.targets.max()) + 1 if loss == "cross_entropy" and whole and len(split) else 0


def _loss(loss: UserLoss) -> Loss:
    if isinstance(loss, str):
        if loss not in _LOSSES:
            raise RecipeError(f"unknown loss {loss!r}", help=did_you_mean(loss, _LOSSES))
        return _LOSSES[loss]()
    return lambda outputs, targets: loss(outputs[0] if len(outputs) == 1 else outputs, targets)


def _metric(metric: UserMetric) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        found: Metric = METRICS.get(metric)
        return found
    return _Called(metric)
