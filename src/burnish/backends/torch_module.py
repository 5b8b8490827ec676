"""Executables that are torch modules in this process: shared by eager and inductor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.backends.backend import Arrays, Executable
from burnish.backends.bundle import call_failed, name_outputs, to_torch
from burnish.core.errors import BurnishError
from burnish.core.signature import Signature

Run = Callable[..., Any]
Mark = Callable[[dict[str, Tensor]], None]


class TorchExecutable(Executable):
    """Calls `run(**tensors)` without gradients and with its own number of threads.

    `mark` may look at the tensors before every call. `backend` is the name for errors.
    """

    def __init__(self, run: Run, signature: Signature, threads: int, mark: Mark | None = None, *, backend: str) -> None:
        self._backend = backend
        self._run: Run | None = run
        self._signature = signature
        self._threads = threads
        self._mark = mark

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Outputs by name. Raises `BurnishError` when the model fails on these inputs."""
        if self._run is None:
            raise BurnishError("this executable is closed", help="load it again")
        tensors = to_torch({spec.name: inputs[spec.name] for spec in self._signature.inputs})
        if self._mark is not None:
            self._mark(tensors)
        with torch.inference_mode(False), torch.no_grad(), use_threads(self._threads):
            try:
                outputs: Sequence[Tensor] = self._run(**tensors)
            except (RuntimeError, IndexError) as error:
                raise call_failed(self._backend, inputs, error) from error
        return name_outputs(outputs, self._signature)

    def close(self) -> None:
        """Let go of the module."""
        self._run = None


@contextlib.contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """torch has one thread count per process: set it for a block, then put it back."""
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
