"""Python's garbage collector, kept from stopping a process that answers requests, or one that times answers.

A full collection looks at every object there is. With a large library in the process these are 200,000, all of them
there to stay, and a request or an answer that meets such a collection waits up to a tenth of a second.
"""

from __future__ import annotations

import gc


def settle() -> None:
    """Take all that lives now for permanent: call it when a process is warm, or before it measures."""
    gc.collect()
    gc.freeze()
