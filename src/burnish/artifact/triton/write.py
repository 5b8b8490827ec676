"""Writes a Triton model repository.

burnish-export.json              who wrote this folder
MODEL/config.pbtxt
MODEL/VERSION/model.py           the Python backend's file
MODEL/VERSION/program.json       what it opens, with hashes
MODEL/VERSION/program/           the compiled program; `artifact/`, whole, where burnish itself runs it
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish.artifact.layout import PROGRAM
from burnish.artifact.load import check_files, read_manifest
from burnish.artifact.triton.config import config_text
from burnish.artifact.triton.tuning import Tuning
from burnish.core.errors import ArtifactError, OutputError
from burnish.core.files import explain_io, new_folder, write_text
from burnish.core.manifest import Manifest
from burnish.core.signature import Signature

MARK = "burnish-export.json"
_ALONE = ("onnxruntime", "openvino")
"""Backends whose programs `model.py` runs with the package of that name only."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclass(frozen=True)
class Exported:
    """A model to export: its artifacts by version, and how Triton shall batch."""

    versions: Mapping[str, Path]
    tuning: Tuning


def needs(manifest: Manifest) -> str:
    """What has to be installed in Triton's Python to run this artifact: a requirement for pip."""
    if manifest.backend not in _ALONE:
        return "burnish"
    built = manifest.machine.versions.get(manifest.backend)
    return f"{manifest.backend}>={built}" if built else manifest.backend


def export(models: Mapping[str, Exported], out: Path) -> tuple[str, ...]:
    """Write the repository whole or not at all; gives what Triton's Python needs.

    A folder that is already there is replaced only if this function wrote it. Raises `OutputError`,
    `ArtifactError` on a damaged artifact and on versions that do not take the same inputs, `Unsupported`.
    """
    check_place(out)
    found = {name: _manifests(name, model) for name, model in models.items()}
    with new_folder(out) as folder:
        for name, model in models.items():
            signature = next(iter(found[name].values())).signature
            write_text(folder / name / "config.pbtxt", config_text(name, signature, model.tuning))
            for version, path in model.versions.items():
                _write_version(folder / name / version, path, found[name][version])
        hashes = {name: {v: m.content_hash for v, m in manifests.items()} for name, manifests in found.items()}
        write_text(folder / MARK, json.dumps({"format": "triton", "models": hashes}, indent=2) + "\n")
    return tuple(sorted({needs(manifest) for manifests in found.values() for manifest in manifests.values()}))


def check_place(out: Path) -> None:
    """Raises `OutputError` when something is there that `export` did not write."""
    with explain_io(out):
        taken = out.exists() and (not out.is_dir() or any(out.iterdir())) and not (out / MARK).is_file()
    if taken:
        raise OutputError(
            "this is not a repository that burnish exported", where=str(out), help="give another --out, or remove it"
        )


def _manifests(name: str, model: Exported) -> dict[str, Manifest]:
    if not _NAME.fullmatch(name):
        raise ArtifactError(
            f"{name[:64]!r} cannot be the name of a model in Triton",
            help="put the artifact into a repository: MODEL/1/manifest.json",
        )
    found: dict[str, Manifest] = {}
    for version, path in model.versions.items():
        found[version] = read_manifest(path)
        check_files(path, found[version])
    first = next(iter(found))
    for version, manifest in found.items():
        if _outside(manifest.signature) != _outside(found[first].signature):
            raise ArtifactError(
                f"versions {first} and {version} of {name!r} have other inputs or outputs",
                where=str(model.versions[version]),
                why="Triton has one configuration for all versions of a model",
                help="export them under two names: A/1, B/1",
            )
    return found


def _outside(signature: Signature) -> object:
    """What a client sees: names, types, sizes; free dimensions whatever they are called."""
    return [
        (spec.name, spec.dtype, [dim if isinstance(dim, int) else -1 for dim in spec.shape])
        for spec in (*signature.inputs, *signature.outputs)
    ]


def _write_version(folder: Path, artifact: Path, manifest: Manifest) -> None:
    alone = manifest.backend in _ALONE
    with explain_io(folder):
        folder.mkdir(parents=True)
        shutil.copytree(artifact / PROGRAM if alone else artifact, folder / (PROGRAM if alone else "artifact"))
        shutil.copyfile(Path(__file__).with_name("model.py"), folder / "model.py")
    settings = {
        "backend": manifest.backend,
        "options": manifest.options,
        "threads": manifest.threads,
        "needs": needs(manifest),
        "inputs": [spec.name for spec in manifest.signature.inputs],
        "outputs": [spec.name for spec in manifest.signature.outputs],
        "files": {n: h for n, h in manifest.files.items() if alone and n.startswith(f"{PROGRAM}/")},
    }
    write_text(folder / "program.json", json.dumps(settings, indent=2) + "\n")
