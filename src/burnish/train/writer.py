"""Checkpoints are written by a thread of their own while the training goes on.

The state is copied at its step; only serializing, writing and waiting for the disk happen beside the next steps. One
write is under way at most: memory holds one copy, and files take each other's place in order.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from burnish.model.weights import save_packed
from burnish.train.checkpoint import Saved, pack_checkpoint


class Writer:
    """Writes one checkpoint file again and again; use it in a `with` block, whose end waits for the last write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def write(self, key: str, saved: Saved) -> None:
        """Copy the state and go on; the file is replaced later, whole or not at all.

        Waits for the write before. Raises its `OutputError` if that one failed.
        """
        self._wait()
        self._pending = self._pool.submit(save_packed, self._path, pack_checkpoint(key, saved))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Raises the `OutputError` of the last write, unless the block itself failed."""
        self._pool.shutdown(wait=True)
        if kind is None:
            self._wait()

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
