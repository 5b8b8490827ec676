"""A client that speaks HTTP byte by byte, as badly as it is told to."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from contextlib import suppress
from typing import Any

INFER = "/v2/models/tiny/infer"
PATIENT_S = 60


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENT_S)


def request(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    """One request; `content_length="5"` replaces what is right, "" leaves it out."""
    lines = {"host": "x", "connection": "close", "content-length": str(len(body))}
    lines |= {key.replace("_", "-"): value for key, value in headers.items()}
    head = "".join(f"{key}: {value}\r\n" for key, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def talk(port: int, sent: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes, read until the other side closes: status, and the body as JSON."""
    with connect(port) as client:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent; the answer is there
            client.sendall(sent)
        return answer(client)


def trickle(port: int, head: bytes, piece: bytes) -> tuple[int, dict[str, Any]]:
    """Send a head at once, then the piece again and again, until the other side has had enough."""
    enough = threading.Event()
    with connect(port) as client:
        client.sendall(head)

        def drip() -> None:
            while not enough.wait(0.05):
                try:
                    client.sendall(piece)
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            return answer(client)
        finally:
            enough.set()
            dripping.join()


def answer(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status 0 when there was none."""
    found = bytearray()
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        found += part
    head, _, body = bytes(found).partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(body or b"{}")) if head else (0, {})


def inference(rows: int = 1) -> bytes:
    tensor = {"name": "image", "shape": [rows, 3, 12, 12], "datatype": "FP32", "data": [0.5] * (rows * 432)}
    return json.dumps({"inputs": [tensor]}).encode()


def is_well(port: int) -> None:
    """Another client is answered."""
    url = f"http://127.0.0.1:{port}{INFER}"
    with urllib.request.urlopen(urllib.request.Request(url, inference()), timeout=PATIENT_S) as found:
        assert len(json.load(found)["outputs"][0]["data"]) == 5
