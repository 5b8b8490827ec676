"""The names of an artifact's files."""

from __future__ import annotations

PROGRAM = "program"
WEIGHTS = "weights.safetensors"
EXAMPLE = "example.safetensors"
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
