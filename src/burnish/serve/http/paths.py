"""Paths of the protocol."""

from __future__ import annotations

from burnish.serve.protocol.messages import ProtocolError


def named(parts: list[str]) -> tuple[str, str]:
    """Model and version, "" for any, of `NAME` or `NAME/versions/VERSION`."""
    match parts:
        case [model]:
            return model, ""
        case [model, "versions", version]:
            return model, version
    raise ProtocolError(404, "a model's path is /v2/models/NAME or /v2/models/NAME/versions/VERSION")
