"""What one rank holds and computes under every strategy; rank 0 writes it down.

torchrun --nproc-per-node 4 rank_child.py FILE CASE [CASE ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))
from _lib.training.cases import CASES, Case
from burnish.core.doors import STRATEGIES
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.optimizer import optimizer_state
from burnish.train.ranks import Ranks, joined
from burnish.train.strategy import Strategy

_PARTS = ("parameters", "gradients", "optimizer")


def step(case: Case, made: Strategy, ranks: Ranks) -> tuple[float, dict[str, int]]:
    """Largest difference of a gradient to one process on the same rows, then the bytes of the rank with most.

    Modules are in evaluation mode for the gradients: statistics of a batch are of a rank's own rows by design.
    """
    objective, count = task(cross_entropy()), case.settings.batch_size
    alone = case.fresh().eval()
    objective(alone, case.split.batch(np.arange(count))).backward()
    work, called = made.wrap(case.fresh().eval(), torch.device("cpu"))
    optimizer = made.optimizer(work, case.settings)
    mine = case.split.batch(np.array_split(np.arange(count), ranks.world)[ranks.rank])
    share = len(mine.rows) / count
    with made.exchange(called, last=True):
        (objective(called, mine) * (share * ranks.world)).backward()
    wanted = dict(alone.named_parameters())
    worst = 0.0
    for name, param in work.named_parameters():
        assert param.grad is not None
        worst = max(worst, float((made.whole(param.grad) - wanted[name].grad).abs().max()))
    optimizer.step()
    here = [
        _allocated(made.local(t.detach()) for t in (*work.parameters(), *work.buffers())),
        _allocated(made.local(p.grad) for p in work.parameters() if p.grad is not None),
        _allocated(map(made.local, optimizer_state(made.kept(optimizer)).values())),
    ]
    most = ranks.each(torch.tensor(here)).amax(0).tolist()
    return worst, dict(zip(_PARTS, most, strict=True))


def activations(case: Case, rows: int) -> int:
    """Bytes that torch's allocator has given out and not got back between the start and the end of a forward pass."""
    module, batch = case.fresh().train(), case.split.batch(np.arange(rows))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        outputs = module(**batch.inputs)
    del outputs
    live = sum(event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]")
    return live + _allocated(batch.inputs.values())


def _allocated(tensors: Iterable[Tensor]) -> int:
    """Bytes of the memory that the tensors lie in, each piece once: what is padded or shared counts as it is."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages if storage.nbytes()}.values())


def main() -> None:
    """Every case under every strategy."""
    file, names = Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    found: dict[str, object] = {}
    with joined("cpu") as ranks:
        for name in names:
            case = CASES[name]()
            made = {strategy: STRATEGIES.get(strategy)() for strategy in STRATEGIES.names() if strategy != "single"}
            for strategy in (key for key, part in made.items() if not part.extra):
                worst, held = step(case, made[strategy], ranks)
                found[f"{name} {strategy}"] = {"gradients": worst, "bytes": held}
            found[f"{name} activations"] = activations(case, -(-case.settings.batch_size // ranks.world))
        if ranks.first:
            file.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
