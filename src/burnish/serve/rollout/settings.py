"""What an operator says about a model's versions: `MODEL/rollout.yaml`, or the same as JSON over HTTP.

labels: {stable: 3, canary: 4}
candidate: canary
weight: 0.1
shadow: 0.5
gate: {errors: 0.01, late: 0.05, disagreement: 0.02}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from burnish.core.noun import Field, Noun, field_validator, model_validator
from burnish.core.yaml_file import read_yaml

FILE = "rollout.yaml"
STABLE = "stable"
"""The label of the version that answers requests that name none."""

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


class GateLimits(Noun):
    """When the candidate takes over, and when it goes. Limits are shares of the requests; None: not looked at."""

    errors: float | None = Field(default=0.01, gt=0, lt=1, description="how much more often than stable it may fail")
    late: float | None = Field(default=0.05, gt=0, lt=1, description="how much more often it may be slow or refused")
    disagreement: float | None = Field(default=0.05, gt=0, lt=1, description="share of answers that may differ")
    slow_ms: float | None = Field(default=None, gt=0, description="None: the 95th percentile of stable's first")
    distance: float = Field(default=0.05, gt=0, description="relative distance from which numbers differ")
    min_requests: int = Field(default=200, ge=20, le=1_000_000, description="of each version before it is promoted")
    max_minutes: float = Field(default=1440.0, gt=0, description="then it is rolled back, undecided")
    alpha: float = Field(default=0.05, gt=0, le=0.5, description="probability of a wrong decision, of either kind")


class Rollout(Noun):
    """How requests to one model are spread over its versions."""

    labels: dict[str, str] = Field(default={}, description="names for versions; `stable` answers by default")
    candidate: str = Field(default="", description="version or label that is tried")
    weight: float = Field(default=0.0, ge=0, le=1, description="share of requests naming no version that it answers")
    header: str = Field(default="x-canary", description="header or parameter: `always` to the candidate, `never` not")
    sticky: str = Field(default="", description="header whose value decides who is in the share; else the request's id")
    shadow: float = Field(default=0.0, ge=0, le=1, description="share of stable's requests that are copied to it")
    gate: GateLimits | None = Field(default=None, description="decides by itself; None: nobody does")

    @field_validator("candidate", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        """YAML and JSON read `4` as a number."""
        return str(value) if type(value) is int else value

    @field_validator("labels", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {label: str(version) if type(version) is int else version for label, version in value.items()}

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, str]) -> dict[str, str]:
        for label in value:
            if not _LABEL.fullmatch(label):
                raise ValueError(f"{label!r} is no label: a letter, then letters, digits, `.`, `_` or `-`")
        return value

    @field_validator("header", "sticky")
    @classmethod
    def _lower(cls, value: str) -> str:
        if value and not _TOKEN.fullmatch(value):
            raise ValueError("a header's name is letters, digits and `-`")
        return value.lower()

    @model_validator(mode="after")
    def _whole(self) -> Rollout:
        if not self.candidate and (self.weight or self.shadow or self.gate):
            raise ValueError("weight, shadow and gate need a candidate")
        if self.gate and not (self.weight or self.shadow):
            raise ValueError("a gate sees nothing: give a weight or a shadow share above 0")
        if self.gate and self.gate.disagreement is not None and not self.shadow:
            raise ValueError("answers are compared on copies: give a shadow share, or gate.disagreement: null")
        return self


def read_rollout(versions: dict[str, Path]) -> Rollout | None:
    """The settings beside a model's version folders; None where there are none. Raises `RecipeError`."""
    for version, folder in versions.items():
        path = folder.parent / FILE
        if folder.name == version and path.is_file():
            return Rollout.parse(read_yaml(path, what=FILE, start="labels: {stable: 1}"), where=str(path))
    return None
