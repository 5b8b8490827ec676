"""Memory that is freed stays with the process while a training or a run lasts.

A training step frees its activations and the next one asks for as many again. glibc gives large blocks back to the
kernel each time, which hands them out again page by page, filled with zeros: a third of the time of a convolutional
network whose activations are large. See mallopt(3).
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_NEVER = -1
_USUAL = ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 64 << 20))
"""glibc's own settings, the thresholds as far up as it moves them by itself."""


_inside: ContextVar[bool] = ContextVar("inside kept_memory", default=False)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Freed blocks of any size are kept for the next step; on leaving they go back to the system.

    Does nothing inside of another such block, and where the C library is not glibc.
    """
    if _inside.get() or platform.libc_ver()[0] != "glibc":
        yield
        return
    token = _inside.set(True)
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        _inside.reset(token)
        for parameter, value in _USUAL:
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)
