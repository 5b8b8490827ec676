"""Writing an artifact: one folder with everything to call, verify and rebuild a model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from burnish.artifact.layout import EXAMPLE, MANIFEST, PROGRAM, SEAL, WEIGHTS
from burnish.core.files import digest, explain_io, new_folder, sha256, write_bytes, write_text
from burnish.core.manifest import Manifest
from burnish.model.variant import Variant
from burnish.model.weights import save_state, save_tensors


def save(
    path: Path,
    *,
    draft: Manifest,
    variant: Variant,
    program: Path,
    example: Mapping[str, Tensor],
    extras: Mapping[str, bytes],
) -> Manifest:
    """Write the folder whole or not at all, and give back its manifest.

    `draft` is a manifest without file hashes. `program` is a folder that a backend built.
    `example` holds inputs (`in.NAME`) and the program's outputs (`out.NAME`). `extras` are further
    files by name (report, ledger, recipe); they are hashed, but are not part of `content_hash`.
    The manifest's own hash lies beside it. Raises `OutputError`.
    """
    with new_folder(path) as folder:
        with explain_io(folder):
            shutil.copytree(program, folder / PROGRAM)
        save_state(variant.module, folder / WEIGHTS)
        save_tensors(folder / EXAMPLE, example)
        content = _hashes(folder)
        for name, data in extras.items():
            write_bytes(folder / name, data)
        manifest = draft.model_copy(
            update={"files": _hashes(folder), "content_hash": content_hash(content, draft), "records": variant.records}
        )
        write_text(folder / MANIFEST, manifest.to_json())
        write_text(folder / SEAL, sha256(folder / MANIFEST) + "\n")
    return manifest


def content_hash(files: Mapping[str, str], manifest: Manifest) -> str:
    """Digest of what the artifact computes: program, weights, example, signature and backend."""
    rows = [f"{name}={value}" for name, value in sorted(files.items())]
    return digest(*rows, manifest.signature.to_json(), manifest.backend, str(sorted(manifest.options.items())))


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
