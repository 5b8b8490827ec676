"""A timer of the event loop that rings within some 0.1 ms: those of the loop itself know whole milliseconds only.

A `timerfd` of the kernel, which the standard library has from Python 3.13 on; until then by ctypes.
Source: timerfd_create(2).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import time
from collections.abc import Callable

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_C = ctypes.CDLL(None, use_errno=True)


class _Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Setting(ctypes.Structure):
    _fields_ = [("interval", _Time), ("value", _Time)]


class Alarm:
    """Calls `ring` once at the moment it was set to; the last one set counts. `close` it in the end."""

    def __init__(self, ring: Callable[[], None]) -> None:
        """Inside of a running loop. Raises `OSError` when the process has no file descriptor left."""
        self._ring = ring
        self._fd = _C.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "no timer for the event loop")
        self._armed = False
        asyncio.get_running_loop().add_reader(self._fd, self._rang)

    def set(self, moment: float | None) -> None:
        """Ring at that moment of `time.monotonic`, at once if it is over; None: not at all."""
        if moment is None and not self._armed:
            return
        self._armed = moment is not None
        nanoseconds = 0 if moment is None else max(1, int(moment * 1e9))
        setting = _Setting(_Time(0, 0), _Time(*divmod(nanoseconds, 1_000_000_000)))
        _C.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(setting), None)

    def close(self) -> None:
        """It does not ring any more."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _rang(self) -> None:
        with contextlib.suppress(BlockingIOError):  # set anew, or off, between the ring and this
            os.read(self._fd, 8)
            self._armed = False
            self._ring()
