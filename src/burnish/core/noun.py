"""The base of every noun and every settings object: frozen, keyword-only, JSON with a version.

pydantic is imported here and nowhere else. A field that does not exist is an error that names
the nearest one that does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from burnish.core.errors import BurnishError, RecipeError, did_you_mean

__all__ = ["Field", "Noun", "field_validator", "model_validator"]


class Noun(BaseModel):
    """A frozen value that can be printed, compared, and written as JSON.

    `noun_version` counts up when a field changes its meaning; reading another version is an
    error, not a guess.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
    noun_version: ClassVar[int] = 1

    @classmethod
    def parse(cls, data: dict[str, Any], *, where: str = "") -> Self:
        """Build from plain data. Raises `RecipeError` naming the field and the nearest known one."""
        known = set(cls.model_fields)
        for key in data:
            if key not in known:
                raise RecipeError(f"unknown field {key!r}", where=where or cls.__name__, help=did_you_mean(key, known))
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _readable(error, cls, where or cls.__name__) from None
        except BurnishError as error:  # from a validator, which does not know what it is a part of
            error.where = ": ".join(part for part in (where, error.where) if part)
            raise

    def to_json(self, *, indent: int | None = 2) -> str:
        """JSON text with the noun's name and version beside its fields."""
        head = {"noun": type(self).__name__, "version": self.noun_version}
        return json.dumps(head | self.model_dump(mode="json"), indent=indent, sort_keys=False)

    @classmethod
    def from_json(cls, text: str, *, where: str = "") -> Self:
        """The inverse of `to_json`. Raises `RecipeError` on another noun or version."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise RecipeError(f"not JSON: {error}", where=where or cls.__name__) from None
        if not isinstance(data, dict):
            raise RecipeError("expected a JSON object", where=where or cls.__name__)
        noun, version = data.pop("noun", None), data.pop("version", None)
        if (noun, version) != (cls.__name__, cls.noun_version):
            raise RecipeError(
                f"expected {cls.__name__} version {cls.noun_version}, found {noun} version {version}",
                where=where,
                help="write it again with this version of burnish",
            )
        return cls.parse(data, where=where)


def _readable(error: ValidationError, noun: type[Noun], where: str) -> RecipeError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    unknown = first["type"] == "extra_forbidden"
    what = f"unknown field {field!r}" if unknown else f"{field}: {message}" if field else message
    value = "" if unknown or not field or first["type"] == "missing" else f"got {first.get('input')!r}"
    fields = _fields_at(noun, first["loc"][:-1])
    last = str(first["loc"][-1]) if first["loc"] else ""
    meaning = (fields[last].description or "") if last in fields else ""
    hint = did_you_mean(last, fields) if unknown and fields else f"{last}: {meaning}" if meaning else ""
    return RecipeError(what, where=where, why=value, help=hint)


def _fields_at(noun: type[Noun], path: tuple[int | str, ...]) -> Mapping[str, FieldInfo]:
    """The fields of the noun that a path of fields and indices leads to."""
    for part in path:
        if not isinstance(part, str) or part not in noun.model_fields:
            continue
        kind: object = noun.model_fields[part].annotation
        inside = [found for found in (kind, *get_args(kind)) if isinstance(found, type) and issubclass(found, Noun)]
        if not inside:
            return {}
        noun = inside[0]
    return noun.model_fields
