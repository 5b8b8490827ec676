"""Hears of a client that goes away while its request is at work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from burnish.serve.http.body import Receive
from burnish.serve.http.reply import Scope

LEAVING = "burnish.leaving"
"""Extension of the ASGI scope: under `callbacks`, the set of what is to be called when the connection is lost."""

Callbacks = set[Callable[[], None]]


def watch(scope: Scope, receive: Receive, left: Callable[[], None]) -> Callable[[], None]:
    """Call `left` once the client is gone; what comes back ends the watch.

    Our own connections call it themselves. Other ASGI servers have to be asked for the next message, by a task of
    its own.
    """
    ours = scope.get("extensions", {}).get(LEAVING)
    if ours is not None:
        callbacks: Callbacks = ours["callbacks"]
        callbacks.add(left)
        return lambda: callbacks.discard(left)
    waiting = True

    def heard(_message: asyncio.Future[Any]) -> None:
        if waiting:
            left()

    def end() -> None:
        nonlocal waiting
        waiting = False
        message.cancel()

    message = asyncio.ensure_future(receive())
    message.add_done_callback(heard)
    return end
