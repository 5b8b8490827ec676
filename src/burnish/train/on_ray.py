"""Starting ranks on a Ray cluster, with Ray Train: the counterpart of `train.launch`.

Ray Train is imported here and nowhere else. Each rank is a worker of it, which makes the process group that
`ranks.joined` then finds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from burnish.core.errors import BurnishError, MissingExtra, RecipeError, ServiceError, TrainingFailed
from burnish.core.machine import fingerprint
from burnish.core.progress import Progress
from burnish.core.ray_cluster import Cluster, Mailbox, joined_cluster, need_ray
from burnish.core.relay import Receiver, Sender
from burnish.train.device import Device
from burnish.train.ranks import PATIENCE

Work = Callable[[Progress, int], str]
"""What a rank does: told where to say how far it is and how many threads it has; what rank 0 returns is handed back.

It travels to the workers, so it must be a function of a module that they have, or a partial of one.
"""

_LOOK_S = 0.3
_UNFORESEEN = 2
_START_S = 300
"""How long workers may take to start; on a busy machine the import of torch alone takes a minute."""


def launch(work: Work, *, devices: int, restarts: int, device: Device, threads: int, progress: Progress) -> str:
    """Do the work on `devices` ranks of the cluster in RAY_ADDRESS, or of a Ray of its own, and wait for all of them.

    A rank reserves `threads` cores (0: its share of this machine, on a cluster one) and, where it trains on one, a
    GPU. When one dies all start anew up to `restarts` times.
    Raises `MissingExtra`, `ServiceError`, `RecipeError` when they do not fit, and `TrainingFailed` naming the rank that
    died first, or what a rank raised, if that is a `BurnishError`.
    """
    need_ray()
    alone = not os.environ.get("RAY_ADDRESS")
    each = threads or (max(1, fingerprint().cores // devices) if alone else 1)
    with joined_cluster(cores=max(devices * each, fingerprint().cores)) as cluster:
        gpus = _use_gpus(cluster, device, devices)
        if not cluster.own and devices * each > cluster.cores:
            progress.say(f"{devices} ranks of {each} cores wait for more: the cluster has {cluster.cores:g}")
        return _fit(partial(_on_worker, work=work, threads=each), devices, each, gpus, restarts, progress)


def _fit(work: Callable[..., str], devices: int, cores: int, gpus: bool, restarts: int, progress: Progress) -> str:
    """Run Ray Train, beside a thread that shows how far rank 0 is."""
    try:
        from ray.exceptions import RayError
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:
        raise MissingExtra("Ray Train is not whole", why=str(error), help="pip install 'burnish[ray]'") from None

    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(_START_S))
    box = Mailbox()
    environment = {name: value for name, value in os.environ.items() if name.startswith(("BURNISH_", "XDG_"))}
    handler = signal.getsignal(signal.SIGINT)
    with tempfile.TemporaryDirectory(prefix="burnish-ray-") as folder, _shown(box, progress):
        trainer = TorchTrainer(
            partial(work, box=box, folder=str(Path.cwd()), environment=environment),
            torch_config=TorchConfig(
                backend="cpu:gloo,cuda:nccl" if gpus else "gloo", timeout_s=int(PATIENCE.total_seconds())
            ),
            scaling_config=ScalingConfig(
                num_workers=devices, use_gpu=gpus, resources_per_worker={"CPU": cores} | ({"GPU": 1} if gpus else {})
            ),
            run_config=RunConfig(storage_path=folder, failure_config=FailureConfig(max_failures=restarts)),
        )
        try:
            text: str = trainer.fit().return_value
        except WorkerGroupError as error:
            if all(_rest(failure) == _UNFORESEEN for failure in error.worker_failures.values()):
                progress.say(str(error))  # with the stack, which nothing else shows
            raise _first(error.worker_failures, devices, restarts) from None
        except (TrainingFailedError, RayError) as error:
            raise ServiceError("Ray Train could not run the ranks", why=_last_line(error)) from error
        except SystemExit:  # Ray Train takes Ctrl-C, ends the ranks, and leaves so
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, handler)
    return text


@contextlib.contextmanager
def _shown(box: Mailbox, progress: Progress) -> Iterator[None]:
    """Repeat what comes, in a thread, for the length of the block."""
    told, ended = Receiver(progress), threading.Event()

    def look() -> None:
        last = False
        while not last:
            last = ended.wait(_LOOK_S)
            with contextlib.suppress(ServiceError):  # what goes on beside this will say so
                for message in box.take():
                    told.take(message)
        told.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _on_worker(*, work: Work, threads: int, box: Mailbox, folder: str, environment: Mapping[str, str]) -> str:
    os.environ.update(environment)
    try:
        os.chdir(folder)  # Ray Train starts elsewhere; what the command line names may be relative
    except OSError as error:
        raise RecipeError(
            f"a node lacks the folder {folder}", why=str(error), help="run from a folder that all nodes share"
        ) from None
    return work(Sender(box.put), threads)


def _use_gpus(cluster: Cluster, device: Device, devices: int) -> bool:
    """Raises `RecipeError` when this machine has too few and nothing can bring more."""
    if device == "cuda" and cluster.own and cluster.gpus < devices:
        raise RecipeError(
            f"{devices} ranks need as many GPUs, this machine has {cluster.gpus:g}",
            where="--devices",
            help="give fewer --devices, or name a cluster in RAY_ADDRESS",
        )
    return device == "cuda" or (device == "auto" and cluster.gpus >= devices)


def _first(failures: Mapping[int, Exception], devices: int, restarts: int) -> BurnishError:
    """The error to show: when a rank dies, the others fail too, because it does not answer."""
    rank, error = min(failures.items(), key=lambda item: (_rest(item[1]), item[0]))
    if isinstance(error, BurnishError):
        if not isinstance(error, TrainingFailed):  # of that all ranks know
            error.where = "; ".join(part for part in (f"rank {rank}", error.where) if part)
        return error
    return TrainingFailed(
        f"rank {rank} of {devices} " + ("died" if _died(error) else "failed"),
        where=f"after {restarts} restarts" if restarts else "",
        why=_last_line(error) if _died(error) else f"{type(error).__name__}: {_last_line(error)}",
        help="the same command goes on from the last checkpoint; --restarts does so by itself",
    )


def _rest(error: Exception) -> int:
    """Orders errors: first what Ray saw of a worker, then what was raised on purpose, then the rest."""
    return 0 if _died(error) else 1 if isinstance(error, BurnishError) else _UNFORESEEN


def _died(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == "ray"


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
