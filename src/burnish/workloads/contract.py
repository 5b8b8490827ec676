"""The contract of workloads: what every one, built in or the user's, has to keep.

`check_workload` is public: run it over a workload of your own in your tests.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from burnish.core.errors import BurnishError
from burnish.core.signature import TensorSpec
from burnish.data.checks import check_disjoint, check_split
from burnish.data.split import Batch
from burnish.model.variant import as_tuple, predict
from burnish.workloads.workload import Workload


class BrokenContract(BurnishError):
    """A workload that does not keep its promises; `what` says which one."""


def check_workload(workload: Workload, *, again: Workload | None = None) -> None:
    """Raise `BrokenContract` or `BadData` unless the workload keeps all of these.

    Splits are sound and share no row; batches and models are the same for the same seed; model
    inputs and outputs are what the signature says, at batch sizes 1 and 3 and at the served
    lengths; the loss is finite and has gradients; the metric of the untrained model lies in its
    range. `again` is the same workload made a second time: its rows must be the same.
    """
    _check_splits(workload)
    if again is not None:
        for name in ("train", "validation", "test"):
            one, two = getattr(workload, name), getattr(again, name)
            _hold(one.fingerprint() == two.fingerprint(), f"making it twice gives other {name} rows", workload)
    _check_batches(workload)
    module = _build(workload)
    twin = _build(workload)
    same = all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), twin.state_dict().values(), strict=True))
    _hold(same, "build() is not deterministic under torch.manual_seed", workload)
    for size in (1, 3):
        _check_signature(workload, module, workload.test.batch(np.arange(size)))
    _check_loss(workload, module)
    _check_metric(workload, module)


def _check_splits(workload: Workload) -> None:
    splits = {"train": workload.train, "validation": workload.validation, "test": workload.test}
    classes = len(workload.labels) or None
    for name, split in splits.items():
        check_split(split, classes, name=name)
        _hold(len(split) >= 3, f"{name} has fewer than 3 rows", workload)
    pairs = (("train", "test"), ("train", "validation"), ("validation", "test"))
    for names in pairs:
        warnings = check_disjoint(splits[names[0]], splits[names[1]], names=names)
        _hold(not warnings, "".join(warnings), workload)
    _hold(workload.validation.augment is None, "validation rows are augmented", workload)
    _hold(workload.test.augment is None, "test rows are augmented", workload)


def _check_batches(workload: Workload) -> None:
    few = workload.train.take(slice(0, 8))
    first, second = (next(iter(few.shuffled(4, seed=1, epoch=0))) for _ in range(2))
    same = all(torch.equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
    _hold(same, "augmentation is not deterministic under its generator", workload)


def _check_signature(workload: Workload, module: nn.Module, batch: Batch) -> None:
    names = {spec.name for spec in workload.signature.inputs}
    _hold(set(batch.inputs) == names, f"batches have {sorted(batch.inputs)}, the signature {sorted(names)}", workload)
    sizes: dict[str, int] = {}
    for spec in workload.signature.inputs:
        _check_tensor(workload, spec, batch.inputs[spec.name], sizes)
    outputs = predict(module, batch.inputs)
    _hold(len(outputs) == len(workload.signature.outputs), f"the model has {len(outputs)} outputs", workload)
    for spec, tensor in zip(workload.signature.outputs, outputs, strict=True):
        _check_tensor(workload, spec, tensor, sizes)


def _check_tensor(workload: Workload, spec: TensorSpec, tensor: Tensor, sizes: dict[str, int]) -> None:
    dtype = str(tensor.dtype).removeprefix("torch.")
    _hold(dtype == spec.dtype, f"{spec.name} is {dtype}, not {spec.dtype}", workload)
    fits = tensor.ndim == len(spec.shape)
    for dim, size in zip(spec.shape, tensor.shape, strict=False):
        fits = fits and size == (sizes.setdefault(dim, size) if isinstance(dim, str) else dim)
    _hold(fits, f"{spec.name} is {tuple(tensor.shape)}, not {spec.shape} with {sizes}", workload)


def _check_loss(workload: Workload, module: nn.Module) -> None:
    model = copy.deepcopy(module).train()
    batch = workload.train.batch(np.arange(min(4, len(workload.train))))
    loss = workload.loss(as_tuple(model(**batch.inputs), model), batch.targets)
    _hold(loss.ndim == 0 and math.isfinite(loss.item()), f"the loss is {loss}", workload)
    loss.backward()  # type: ignore[no-untyped-call]
    lacking = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    _hold(not lacking, f"parameters that the loss does not reach: {', '.join(lacking[:3])}", workload)


def _check_metric(workload: Workload, module: nn.Module) -> None:
    rows = workload.test.take(slice(0, 64))
    outputs = [predict(module, batch.inputs)[0].numpy() for batch in rows.in_order(16)]
    value = workload.metric.compute(np.concatenate(outputs), rows.targets)
    _hold(math.isfinite(value), f"the metric {workload.metric.name} is {value}", workload)
    if workload.metric.points:
        _hold(0 <= value <= 1, f"the metric {workload.metric.name} is {value}, not a share", workload)


def _build(workload: Workload) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return workload.build()


def _hold(kept: bool, what: str, workload: Workload) -> None:
    if not kept:
        raise BrokenContract(what, where=workload.name)
