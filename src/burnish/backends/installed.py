"""Is an optional package here, and which command installs it?"""

from __future__ import annotations

import importlib.util

from burnish.backends.backend import Availability, Backend
from burnish.core.errors import MissingExtra


def find_package(*packages: str) -> Availability:
    """Whether all these packages can be imported. Imports none of them."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return Availability(ok=True)
    names = " ".join(missing)
    return Availability(ok=False, reason=f"not installed: {', '.join(missing)}", help=f"pip install {names}")


def need(backend: Backend) -> None:
    """Raise `MissingExtra` when the backend cannot run here."""
    found = backend.available()
    if not found.ok:
        raise MissingExtra(f"the backend {backend.name!r} cannot run here", why=found.reason, help=found.help)
