"""`burnish serve`: artifacts as a service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.cli.console import print_note
from burnish.serve.run import Options
from burnish.serve.run import serve as run


def serve(paths: Sequence[Path], **settings: Any) -> None:
    """Body of the command; ends on SIGTERM or Ctrl-C. Raises `BurnishError`."""
    run(paths, Options.parse(settings, where="serve"), print_note)
