"""Every error a user can meet: what is wrong, where, why, and one way to mend it.

`BurnishError` prints as

    what is wrong (where)
    why: the reason, when it is not plain from the first line
    help: one thing to do

Raise the narrowest class that fits; never a bare `Exception`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BurnishError(Exception):
    """Base of every error that Burnish raises on purpose.

    `what` says the fault, `where` names the file, field or layer, `why` the cause,
    `help` one fix.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", help: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.help = help

    def __str__(self) -> str:
        lines = [f"{self.what} ({self.where})" if self.where else self.what]
        if self.why:
            lines.append(f"why: {self.why}")
        if self.help:
            lines.append(f"help: {self.help}")
        return "\n".join(lines)


class RecipeError(BurnishError):
    """The recipe, a setting or a budget is not what it has to be."""


class UnknownName(RecipeError):
    """A name that no door knows."""


class Unsupported(BurnishError):
    """The model lacks what a pass or a backend needs; raised before any work."""


class NoEffect(BurnishError):
    """A pass ran and changed nothing."""


class MissingExtra(BurnishError):
    """An optional package is not installed; `help` is the command that installs it."""


class MissingData(BurnishError):
    """A data set is not on this machine; `help` is the command that installs it."""


class BadData(BurnishError):
    """Rows that cannot be trained or measured on: NaN, labels out of range, too few."""


class GateFailed(BurnishError):
    """A result broke a limit it was told to keep."""


class TrainingFailed(BurnishError):
    """The loss or the weights stopped being finite numbers."""


class ArtifactError(BurnishError):
    """An artifact is incomplete, altered or of another version."""


class BadRequest(BurnishError):
    """Inputs at call time do not fit the signature."""


class ServiceError(BurnishError):
    """A service does not answer, or answers that something is wrong."""


class OutputError(BurnishError):
    """The output folder is in use, read-only, or its disk is full."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A help line: the nearest known name, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return "known: " + ", ".join(names) if names else "nothing is registered here"
