"""What a command does beside its work when it is one of several ranks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from burnish.core.errors import BurnishError, TrainingFailed
from burnish.train.ranks import Ranks


def on_a_rank() -> bool:
    """Whether torchrun, or what acts like it, started this process."""
    return "WORLD_SIZE" in os.environ


@contextlib.contextmanager
def told_once(ranks: Ranks) -> Iterator[None]:
    """An error within names its rank; one that all ranks know is told by the first."""
    try:
        yield
    except TrainingFailed:
        if not ranks.first:
            raise SystemExit(1) from None
        raise
    except BurnishError as error:
        if ranks.world > 1:
            error.where = "; ".join(part for part in (f"rank {ranks.rank}", error.where) if part)
        raise
