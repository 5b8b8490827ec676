"""Requests and answers of the Open Inference Protocol, apart from how they travel.

Source: Open Inference Protocol v2 (KServe) and Triton's extensions for binary tensors, statistics and
repositories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BurnishError

Array = NDArray[np.generic]
Value = bool | int | float | str
Parameters = Mapping[str, Value]


class ProtocolError(BurnishError):
    """A request that gets an error as its answer. `status` is the HTTP status code of that answer.

    The text is cut to `LONGEST` characters: parts of it may be the client's.
    """

    LONGEST = 1000

    def __init__(self, status: int, what: str, *, retry_after: float = 0.0) -> None:
        super().__init__(what if len(what) <= self.LONGEST else what[: self.LONGEST] + "...")
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for. `binary` None: the request's own default."""

    name: str
    binary: bool | None = None
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One inference request. `outputs` empty: all of them. `timeout_s` 0: the model's own limit."""

    inputs: Mapping[str, Array]
    datatypes: Mapping[str, str]
    id: str = ""
    outputs: tuple[Wanted, ...] = ()
    binary_output: bool = False
    timeout_s: float = 0.0
    priority: int = 0
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """The answer to one request, outputs by name in the order they were asked for."""

    model: str
    version: str
    outputs: Mapping[str, Array]
    id: str = ""
    parameters: Parameters = field(default_factory=dict)
