"""Which version answers a request. Pure: the same settings, versions and requests give the same routes."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from burnish.core.errors import RecipeError, did_you_mean
from burnish.serve.rollout.settings import STABLE, Rollout

_ALWAYS = ("always", "true", "1")
_NEVER = ("never", "false", "0")


class Why(StrEnum):
    """What decided."""

    VERSION = "version"
    LABEL = "label"
    HEADER = "header"
    WEIGHT = "weight"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Route:
    """A version, and what decided for it."""

    version: str
    why: Why


class Router:
    """Routes requests to one model. `versions` are those that answer; a label of another one counts as absent."""

    def __init__(self, model: str, settings: Rollout, versions: Collection[str], *, seed: int = 0) -> None:
        self.settings = settings
        self.versions = frozenset(versions)
        self.labels = {label: version for label, version in settings.labels.items() if version in self.versions}
        self.carried = {
            version: {"version_labels": ",".join(sorted(label for label, own in self.labels.items() if own == version))}
            for version in set(self.labels.values())
        }
        """The labels of versions that have some, as a parameter of their answers."""
        named = self.labels.get(settings.candidate, settings.candidate)
        self.candidate = named if named in self.versions else ""
        others = [version for version in self.versions if version != self.candidate] or list(self.versions)
        self.stable = self.labels.get(STABLE) or max(others, key=number, default="")
        self._salt = f"{model}\0{self.candidate}\0"
        self._random = random.Random(f"{seed}\0{self._salt}")

    def check(self) -> None:
        """Settings must fit the versions. Raises `RecipeError`."""
        for label, version in self.settings.labels.items():
            if version not in self.versions:
                raise RecipeError(f"label {label!r}: no version {version!r}", help=did_you_mean(version, self.versions))
        if self.settings.candidate and not self.candidate:
            known = {*self.versions, *self.labels}
            raise RecipeError(
                f"candidate: no version or label {self.settings.candidate!r}",
                help=did_you_mean(self.settings.candidate, known),
            )
        if self.candidate and self.candidate == self.stable:
            raise RecipeError(
                f"the candidate, version {self.candidate}, is the stable one already",
                help=f"put the label {STABLE!r} on another version",
            )

    @property
    def trimmed(self) -> Rollout:
        """The settings without what names versions that are gone."""
        labels = {label: version for label, version in self.settings.labels.items() if version in self.versions}
        if not self.candidate:
            return Rollout(labels=labels)
        return self.settings.model_copy(update={"labels": labels})

    def named(self, wanted: str) -> str | None:
        """The version of that number or label, the stable one for ""; None when there is none."""
        if not wanted:
            return self.stable or None
        return wanted if wanted in self.versions else self.labels.get(wanted)

    def choose(self, wanted: str, key: str, told: str) -> Route | None:
        """`wanted` is a version, a label or ""; `key` decides who is in the share, by chance if it is "";
        `told` is what the canary header says. None when there is no such version."""
        version = self.named(wanted)
        if version is None:
            return None
        if wanted:
            return Route(version, Why.VERSION if wanted in self.versions else Why.LABEL)
        if self.candidate and told in _ALWAYS:
            return Route(self.candidate, Why.HEADER)
        if self.candidate and told in _NEVER:
            return Route(version, Why.HEADER)
        if self.candidate and self.drawn("weight", key) < self.settings.weight:
            return Route(self.candidate, Why.WEIGHT)
        return Route(version, Why.DEFAULT)

    def drawn(self, purpose: str, key: str) -> float:
        """A number in [0, 1): of the key, always the same one, else from the seeded generator."""
        if not key:
            return self._random.random()
        digest = blake2b(f"{purpose}\0{self._salt}{key}".encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def told(self, headers: Mapping[str, str], parameters: Mapping[str, object]) -> str:
        """What the canary header, or the parameter of that name, says."""
        name = self.settings.header
        return str(parameters.get(name, headers.get(name, ""))).lower()

    def key(self, headers: Mapping[str, str], request_id: str) -> str:
        """What stays the same between requests that must go the same way."""
        return headers.get(self.settings.sticky, "") or request_id


def pinned(router: Router) -> Rollout:
    """Its settings with the stable version by name, so that a new version does not become it by being higher."""
    return router.settings.model_copy(update={"labels": router.settings.labels | {STABLE: router.stable}})


def number(version: str) -> tuple[int, str]:
    """The order of versions: by number."""
    return (int(version), "") if version.isdigit() else (-1, version)
