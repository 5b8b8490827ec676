"""Starting ranks on this machine, as `torchrun --standalone` does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from burnish.core.errors import TrainingFailed


def launch(arguments: Sequence[str], *, devices: int, restarts: int = 0) -> None:
    """Run this interpreter with these arguments on `devices` ranks and wait for all of them.

    When one dies the others are stopped, and all start anew up to `restarts` times.
    Raises `TrainingFailed` naming the rank that died first.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what they say is said below
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=restarts,
    )
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as error:
        rank, failure = _first(error)
        died = failure.exitcode < 0
        raise TrainingFailed(
            f"rank {rank} of {devices} " + (f"was killed by signal {-failure.exitcode}" if died else "failed"),
            where=f"after {restarts} restarts" if restarts else "",
            why="" if died else "its own message stands above",
            help="the same command goes on from the last checkpoint; --restarts does so by itself",
        ) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + error.sigval) from None


def _first(error: ChildFailedError) -> tuple[int, ProcessFailure]:
    """The rank that began it: one that was killed, if any, since the others then end by errors of their own.

    Those that were stopped afterwards, by SIGTERM, or 30 s later by force, do not count.
    """
    found: tuple[int, ProcessFailure] = error.get_first_failure()
    for rank, failure in error.failures.items():
        if failure.exitcode < 0 and -failure.exitcode != signal.SIGTERM and failure.timestamp < found[1].timestamp + 5:
            return rank, failure
    return found
