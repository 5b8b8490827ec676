"""API keys: who may send requests. Health and metrics need none."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish.core.errors import RecipeError
from burnish.serve.protocol.messages import ProtocolError

_SHORTEST = 16


@dataclass(frozen=True)
class Keys:
    """The keys that are accepted; without any everyone may."""

    accepted: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, path: Path | None) -> Keys:
        """One key a line; empty lines and those that begin with # are left out. Raises `RecipeError`."""
        if path is None:
            return cls()
        try:
            lines = [line.strip() for line in path.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError("the file of API keys cannot be read", where=str(path), why=str(error)) from None
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys or min(map(len, keys)) < _SHORTEST:
            raise RecipeError(
                f"a file of API keys needs one key a line, of {_SHORTEST} characters or more",
                where=str(path),
                help='make one: python -c "import secrets; print(secrets.token_urlsafe())"',
            )
        return cls(tuple(key.encode() for key in keys))

    def check(self, headers: Mapping[str, str]) -> None:
        """Look for `Authorization: Bearer KEY` or `X-API-Key: KEY`. Raises `ProtocolError` 401."""
        if not self.accepted:
            return
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        found = given.encode()
        if not sum(hmac.compare_digest(found, key) for key in self.accepted):  # sum: looks at all, always
            raise ProtocolError(401, "this service needs an API key: Authorization: Bearer KEY")
