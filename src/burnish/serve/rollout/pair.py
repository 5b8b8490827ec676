"""The two versions of a rollout: whether a request fits both, and what exactly they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from burnish.core.errors import RecipeError
from burnish.core.signature import Signature, TensorSpec
from burnish.serve.engine import Engine
from burnish.serve.rollout.router import Router

Engines = Mapping[str, Engine]
"""The engines of one model by version."""


def hashes(router: Router, versions: Engines) -> dict[str, str]:
    """Content hashes of the stable version and the candidate, where they are there."""
    pair = (router.stable, router.candidate)
    return {version: versions[version].manifest.content_hash for version in pair if version in versions}


def folders(versions: Engines) -> dict[str, Path]:
    """Where the versions lie."""
    return {version: engine.folder for version, engine in versions.items()}


def check_pair(stable: Engine, candidate: Engine) -> None:
    """A request must fit both. Raises `RecipeError`."""
    one, other = _spelled(stable.manifest.signature), _spelled(candidate.manifest.signature)
    if one != other:
        raise RecipeError(
            "the candidate's inputs or outputs are not those of the stable version",
            why=f"stable: {one}; candidate: {other}",
            help="serve it under a model name of its own",
        )


def _spelled(signature: Signature) -> str:
    sides = (signature.inputs, signature.outputs)
    return " -> ".join(", ".join(_spec(spec) for spec in side) for side in sides)


def _spec(spec: TensorSpec) -> str:
    shape = ", ".join(str(size) if isinstance(size, int) else "any" for size in spec.shape)
    return f"{spec.name} {spec.dtype} [{shape}]"
