"""DeepSpeed's engine in the places of a module and of an optimizer, so that the one loop trains with it.

DeepSpeed is imported here and nowhere else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.train.optimizer import load_optimizer_state
from burnish.train.ranks import current_ranks

_BUCKET = 50_000_000
"""Elements whose gradients are exchanged together, at most."""


def bucket_elements(count: int) -> int:
    """How many of so many gradients are exchanged together."""
    return min(_BUCKET, count)


class Called(nn.Module):
    """What is called in the place of a module, once `engine` is there.

    DeepSpeed switches off the autocast that it is called in; `inner` switches it on again.
    """

    def __init__(self, work: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.inner = _Inner(work, device.type)
        self.engine: Any = None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """As the module's own."""
        kind = self.inner.kind
        self.inner.autocast = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        return self.engine(*inputs, **named)


class _Inner(nn.Module):
    def __init__(self, work: nn.Module, kind: str) -> None:
        super().__init__()
        self.work, self.kind = work, kind
        self.autocast = False, torch.float32

    def forward(self, *inputs: Any, **named: Any) -> Any:
        enabled, dtype = self.autocast
        if not enabled:
            return self.work(*inputs, **named)
        with torch.autocast(self.kind, dtype=dtype):
            return self.work(*inputs, **named)


class Stepper(Optimizer):
    """An optimizer whose step is that of DeepSpeed's engine, which this makes and gives to `called`.

    `kept` is the optimizer that was given: each of its groups now has one flat parameter, this rank's part of a copy of
    the group. A parameter without a gradient stays as it is; DeepSpeed alone would decay it.
    """

    def __init__(self, called: Called, kept: Optimizer, *, clip_norm: float) -> None:
        os.environ.setdefault("DS_ACCELERATOR", called.inner.kind)
        logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
        import deepspeed

        self.homes = [(number, param) for number, group in enumerate(kept.param_groups) for param in group["params"]]
        bucket = bucket_elements(sum(param.numel() for _, param in self.homes))
        config = {
            "train_micro_batch_size_per_gpu": 1,
            "gradient_clipping": clip_norm,
            "zero_allow_untested_optimizer": True,
            "zero_optimization": {"stage": 2, "reduce_bucket_size": bucket, "allgather_bucket_size": 2 * bucket},
        }
        made = deepspeed.initialize(model=called.inner, optimizer=kept, config=config, dist_init_required=False)
        self.engine = called.engine = made[0]
        self.kept = kept
        super().__init__(kept.param_groups, {})
        self.param_groups = kept.param_groups
        self._touched = torch.zeros(len(self.homes), dtype=torch.bool)
        for index, (_, param) in enumerate(self.homes):
            param.register_post_accumulate_grad_hook(lambda _, index=index: self._touch(index))

    def _touch(self, index: int) -> None:
        self._touched[index] = True

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """All ranks make it together."""
        del closure
        touched = current_ranks().each(self._touched).any(0).tolist()
        idle = [(param, param.clone()) for (_, param), used in zip(self.homes, touched, strict=True) if not used]
        self._touched.zero_()
        self.engine.step()
        for param, before in idle:
            param.copy_(before)
        if idle:
            self._refresh()

    def parts(self) -> Iterator[tuple[str, Tensor, bool]]:
        """The state as `train.optimizer.optimizer_state` names it, and whether the ranks have it in parts.

        Those have the shape of the parameter, with 0 for elements whose step another rank makes.
        """
        for index, (number, param) in enumerate(self.homes):
            flat = self._flat(number)
            for name, value in self.kept.state[flat].items():
                divided = value.shape == flat.shape
                whole = torch.zeros(param.shape, dtype=value.dtype, device=value.device) if divided else value
                if divided:
                    self._copy(param, whole, value, back=True)
                yield f"{index}.{name}", whole, divided

    def load_parts(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """The inverse: the whole state, of which this rank keeps its part. Takes the module's weights, too."""
        found: dict[str, Tensor] = {}
        for key, value in tensors:
            index, _, name = key.partition(".")
            number, param = self.homes[int(index)]
            place, flat = f"{number}.{name}", self._flat(number)
            if name == "step" or value.shape != param.shape:
                found[place] = value
                continue
            there = found.setdefault(place, torch.zeros_like(flat, dtype=value.dtype).detach())
            self._copy(param, value.to(there.device).contiguous(), there, back=False)
        load_optimizer_state(self.kept, found)
        self.param_groups = self.kept.param_groups  # it made new ones
        self._refresh()

    def _refresh(self) -> None:
        """Take the module's weights into the copies."""
        self.engine.optimizer.refresh_fp32_params()

    def _flat(self, number: int) -> Tensor:
        found: Tensor = self.kept.param_groups[number]["params"][0]
        return found

    def _copy(self, param: Tensor, whole: Tensor, flat: Tensor, *, back: bool) -> None:
        """The elements that lie here, from `whole` to `flat` or back."""
        home: Any = param._hp_mapping  # type: ignore[attr-defined]  # DeepSpeed's: where they lie in both; or None
        if home is None:
            return
        here, there = home.lp_fragment_address, home.hp_fragment_address
        ours, theirs = whole.view(-1)[here.start :][: here.numel], flat[there.start :][: there.numel]
        (ours if back else theirs).copy_(theirs if back else ours)
