"""`burnish verify`."""

from __future__ import annotations

from pathlib import Path

from burnish.artifact.load import read_manifest
from burnish.artifact.load import verify as check
from burnish.cli.terminal.console import print_line


def verify(path: Path) -> None:
    """Body of the command. Raises `BurnishError`."""
    differences = check(path)
    manifest = read_manifest(path)
    print_line(f"{len(manifest.files)} files as they were saved, content {manifest.content_hash[:16]}")
    for name, value in differences.items():
        print_line(f"output {name!r}: largest difference to the stored answer {value:.3g}")
    print_line("verified", style="green")
