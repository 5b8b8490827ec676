"""What a training run writes after each epoch and within long ones: one safetensors file, tensors and a JSON text.

After an epoch the random state need not be stored: it is a function of seed and epoch (see `loop`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from burnish.core.errors import ArtifactError
from burnish.core.files import digest
from burnish.core.noun import Noun
from burnish.core.progress import Progress
from burnish.data.split import Split
from burnish.model.weights import Packed, load_metadata, load_tensors, pack, state
from burnish.train.settings import UNSEEN, FitSettings

_VERSION = "3"


class EpochRecord(Noun):
    """One epoch: mean training loss, and the validation score if one was asked for."""

    epoch: int
    loss: float
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Within:
    """A place within an epoch: the loss of each of its batches so far (fp64), and torch's random states by device."""

    losses: Tensor
    random: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Everything that a run needs to go on. `best` is None when the best weights are not kept.

    `average` is empty when the weights are not averaged, `scaler` when losses are not scaled, `weighting` when every
    row counts the same; `within` is None between two epochs.
    """

    module: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    scaler: Mapping[str, float]
    skipped: int
    weighting: Mapping[str, Tensor]
    best: dict[str, Tensor] | None
    best_epoch: int | None
    history: tuple[EpochRecord, ...]
    seconds: float
    within: Within | None = None


def run_key(module: nn.Module, split: Split, settings: FitSettings, seed: int, device: str) -> str:
    """Names a run by its settings, seed, kind of device, rows and starting weights, whatever its strategy."""
    weights = hashlib.sha256()
    for name, tensor in state(module).items():
        weights.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        weights.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    told = json.dumps(settings.model_dump(mode="json", exclude=UNSEEN))
    return digest(_VERSION, told, str(seed), device, split.fingerprint(), weights.hexdigest())


def pack_checkpoint(key: str, saved: Saved) -> Packed:
    """A copy of everything in the processor's memory, as the file will hold it."""
    last = saved.best_epoch == len(saved.history) - 1 and saved.within is None
    best_is_last = saved.best is not None and last and not saved.average
    best = {} if saved.best is None or best_is_last else saved.best
    tensors = {
        **{f"module/{name}": tensor for name, tensor in saved.module.items()},
        **{f"optimizer/{name}": tensor for name, tensor in saved.optimizer.items()},
        **{f"average/{name}": tensor for name, tensor in saved.average.items()},
        **{f"weighting/{name}": tensor for name, tensor in saved.weighting.items()},
        **{f"best/{name}": tensor for name, tensor in best.items()},
    }
    if saved.within is not None:
        tensors |= {"losses": saved.within.losses}
        tensors |= {f"random/{name}": tensor for name, tensor in saved.within.random.items()}
    facts = {
        "key": key,
        "scaler": dict(saved.scaler),
        "skipped": saved.skipped,
        "best_epoch": saved.best_epoch,
        "best_kept": saved.best is not None,
        "history": [record.model_dump() for record in saved.history],
        "seconds": saved.seconds,
    }
    return pack(tensors, {"burnish.fit": json.dumps(facts)})


def load_checkpoint(path: Path, key: str, progress: Progress) -> Saved | None:
    """The saved run of that key; None when there is none, and, which is said, when it is another run's or damaged."""
    if not path.exists():
        return None
    try:
        facts = json.loads(load_metadata(path).get("burnish.fit", "{}"))
        if facts.get("key") != key:
            progress.say(f"{path.name} is of a run with other settings, data or weights: training starts anew")
            return None
        tensors = load_tensors(path)
    except ArtifactError as error:
        progress.say(f"{path.name} cannot be read ({error.what}): training starts anew")
        return None
    module, best = _under(tensors, "module/"), _under(tensors, "best/")
    if facts["best_kept"] and not best:
        best = {name: tensor.clone() for name, tensor in module.items()}
    return Saved(
        module=module,
        optimizer=_under(tensors, "optimizer/"),
        average=_under(tensors, "average/"),
        scaler=facts["scaler"],
        skipped=facts["skipped"],
        weighting=_under(tensors, "weighting/"),
        best=best if facts["best_kept"] else None,
        best_epoch=facts["best_epoch"],
        history=tuple(EpochRecord.parse(record) for record in facts["history"]),
        seconds=facts["seconds"],
        within=Within(losses=tensors["losses"], random=_under(tensors, "random/")) if "losses" in tensors else None,
    )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
