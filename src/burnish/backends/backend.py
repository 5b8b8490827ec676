"""What a backend is: it builds a program into a folder of files, and loads such a folder.

Build and load are apart so that what is measured is what is shipped: the folder is measured in a
process of its own, put into the artifact, and served, always through `load`. Loading runs no code
that came with the files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.evidence import Coverage
from burnish.core.signature import Signature

if TYPE_CHECKING:
    from burnish.model.variant import Program

Arrays = Mapping[str, NDArray[np.generic]]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here; if not, why, and the command that mends it."""

    ok: bool
    reason: str = ""
    help: str = ""


class Executable(ABC):
    """A compiled model, ready to run in this process."""

    @abstractmethod
    def __call__(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Outputs by name for one batch of inputs by name. Arrays are copied in, never kept."""

    @abstractmethod
    def close(self) -> None:
        """Give back threads and memory; calling it twice is fine."""


class Backend(ABC):
    """One way to execute a model. Stateless.

    `pretends` marks a backend whose outputs are made up, so nobody compares them with the model.
    """

    name: str
    pretends: bool = False

    @abstractmethod
    def available(self) -> Availability:
        """Can it run on this machine, with what is installed?"""

    @abstractmethod
    def choices(self, precision: str) -> tuple[dict[str, Any], ...]:
        """Option sets worth measuring here for a program of this precision ("fp32", "int8")."""

    @abstractmethod
    def build(self, program: Program, folder: Path, options: Options) -> None:
        """Write what `load` needs into `folder`. Raises `Unsupported` naming module and line."""

    @abstractmethod
    def load(self, folder: Path, options: Options, *, signature: Signature, threads: int) -> Executable:
        """Open a built folder with that many threads."""

    @abstractmethod
    def coverage(self, folder: Path, options: Options) -> Coverage | None:
        """Precision of every heavy operator in the compiled graph; None when it cannot tell."""
