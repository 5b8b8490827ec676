"""Opening an artifact: hashes first, then the compiled program. No foreign code, no pickle.

torch is loaded only where the artifact's backend needs it: with another one a service starts at once and is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from burnish.artifact.layout import EXAMPLE, MANIFEST, PROGRAM, SEAL
from burnish.backends.backend import Backend, Executable
from burnish.backends.bundle import check_inputs
from burnish.core.doors import BACKENDS
from burnish.core.errors import ArtifactError, BadRequest, MissingExtra, RecipeError
from burnish.core.files import sha256
from burnish.core.manifest import Manifest
from burnish.model.weights import load_arrays

Array = NDArray[np.generic]


class Model:
    """A loaded artifact: call it with arrays.

    `model(x)` for one input, `model(input_ids=..., attention_mask=...)` for several. Gives an array
    for one output, a dict for several. Batch first; dtypes and shapes as in `manifest.signature`.
    """

    def __init__(self, manifest: Manifest, executable: Executable) -> None:
        self.manifest = manifest
        self._executable = executable

    def __call__(self, *arrays: Array, **named: Array) -> Array | dict[str, Array]:
        """Run one batch. Raises `BadRequest` naming the input that does not fit."""
        names = [spec.name for spec in self.manifest.signature.inputs]
        if len(arrays) > len(names):
            raise BadRequest(f"{len(arrays)} arrays for {len(names)} inputs", help=f"give {', '.join(names)}")
        inputs = dict(zip(names, arrays, strict=False)) | named
        outputs = self.run(inputs)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Inputs by name to outputs by name. Raises `BadRequest`."""
        check_inputs(inputs, self.manifest.signature)
        return self._executable(inputs)

    def close(self) -> None:
        """Give back threads and memory."""
        self._executable.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(path: str | Path, *, threads: int | None = None) -> Model:
    """Open an artifact folder. Raises `ArtifactError` when a byte differs from the manifest."""
    folder = Path(path)
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    backend: Backend = BACKENDS.get(manifest.backend)
    state = backend.available()
    if not state.ok:
        raise MissingExtra(f"this artifact needs {manifest.backend}", why=state.reason, help=state.help)
    executable = backend.load(
        folder / PROGRAM,
        manifest.options,
        signature=manifest.signature,
        threads=threads or manifest.threads,
    )
    return Model(manifest, executable)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder. Raises `ArtifactError`."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError("not an artifact: no manifest.json", where=str(folder), help="give the artifact's folder")
    try:
        manifest = Manifest.from_json(path.read_text(), where=str(path))
    except (RecipeError, UnicodeDecodeError) as error:
        raise ArtifactError(
            "the manifest cannot be read",
            where=str(path),
            why=error.what if isinstance(error, RecipeError) else str(error),
            help="copy the artifact again, or build it anew with this version of burnish",
        ) from None
    seal = folder / SEAL
    if not seal.is_file():
        raise _missing(seal)
    if seal.read_bytes() != f"{sha256(path)}\n".encode():
        raise _differs(path)
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its recorded hash. Raises `ArtifactError` naming the first that differs."""
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ArtifactError("the manifest names a file outside the artifact", where=name)
        if not path.is_file():
            raise _missing(path)
        if sha256(path) != wanted:
            raise _differs(path)


def _missing(path: Path) -> ArtifactError:
    return ArtifactError("a file is missing", where=str(path), help="copy the artifact again")


def _differs(path: Path) -> ArtifactError:
    return ArtifactError(
        "a file differs from the one that was saved", where=str(path), help="copy the artifact again, or build it anew"
    )


def example_inputs(folder: Path) -> dict[str, Array]:
    """The stored request of an artifact, inputs by name. Raises `ArtifactError`."""
    stored = load_arrays(folder / EXAMPLE)
    return {name.removeprefix("in."): array for name, array in stored.items() if name.startswith("in.")}


def verify(path: str | Path) -> dict[str, float]:
    """Check hashes, then run the stored example and compare with the stored outputs.

    Gives the largest absolute difference by output. Raises `ArtifactError` when one is beyond what
    the manifest's `tolerance` (a share of the outputs' spread) allows.
    """
    folder = Path(path)
    with load(folder) as model:
        stored = load_arrays(folder / EXAMPLE)
        outputs = model.run(example_inputs(folder))
        found: dict[str, float] = {}
        for name, value in outputs.items():
            wanted = stored[f"out.{name}"]
            found[name] = float(np.abs(value.astype(np.float64) - wanted.astype(np.float64)).max())
            limit = max(model.manifest.tolerance * float(wanted.std()), 1e-6)
            if not found[name] <= limit:
                raise ArtifactError(
                    f"output {name!r} differs by {found[name]:.3g} from the stored one, {limit:.3g} allowed",
                    where=str(folder),
                    why="another machine may round differently",
                    help="measure its quality here before serving it",
                )
    return found
