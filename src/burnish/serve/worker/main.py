"""The worker process: opens one artifact and runs batches until its socket is closed.

    python -m burnish.serve.worker.main FD

Messages are JSON over a SEQPACKET socket, tensors lie in shared memory, one batch at a time.
`{"open": folder, "threads": n}` -> `{"ready": true}`; `{"run": layout, "slot": k}` -> `{"outputs": layout,
"seconds": s, "ended": moment}`; whatever fails -> `{"error": text}`. There are two slots, with a block of inputs
and one of outputs each: one batch may lie there while the other runs. A new block's file descriptor comes with the
message that uses it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

import numpy as np

from burnish.artifact.load import Model, load
from burnish.serve.settle import settle
from burnish.serve.worker.slab import Slab, Window, lay_out

MESSAGE_BYTES = 1 << 16
SLOTS = 2


def main() -> None:
    """Serve the socket whose file descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the server, which closes the socket
    with socket.socket(fileno=int(sys.argv[1])) as server:
        _serve(server)


def _serve(server: socket.socket) -> None:
    model: Model | None = None
    inputs, outputs = [Window() for _ in range(SLOTS)], [Slab() for _ in range(SLOTS)]
    while True:
        message, fds, _, _ = socket.recv_fds(server, MESSAGE_BYTES, 1)
        if not message:
            return
        asked: dict[str, Any] = json.loads(message)
        slot: int = asked.get("slot", 0)
        for fd in fds:
            inputs[slot].adopt(fd)
        try:
            if "open" in asked:
                if model is not None:
                    model.close()
                model = load(asked["open"], threads=asked["threads"])
                settle()
                answer: dict[str, Any] = {"ready": True}
                handed = None
            else:
                assert model is not None, "run before open"
                answer, handed = _run(model, inputs[slot], outputs[slot], asked["run"])
        except Exception as error:  # whatever a runtime raises must reach the server as an answer
            answer, handed = {"error": f"{type(error).__name__}: {error}"[:2000]}, None
        text = json.dumps(answer).encode()
        socket.send_fds(server, [text], [] if handed is None else [handed])


def _run(model: Model, inputs: Window, outputs: Slab, layout: Any) -> tuple[dict[str, Any], int | None]:
    began = time.perf_counter()
    found = model.run(inputs.arrays(layout))
    seconds = time.perf_counter() - began
    arrays = {name: np.asarray(array) for name, array in found.items()}
    laid, size = lay_out([(name, array.dtype, array.shape) for name, array in arrays.items()])
    handed = outputs.reserve(size)
    for name, place in outputs.arrays(laid).items():
        place[...] = arrays[name]
    return {"outputs": laid, "seconds": seconds, "ended": time.monotonic()}, handed


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
