"""Workloads by name: a built-in or plugin, the user's own function, or a model folder.

- `digits`: what the door knows, also where a folder has that name (`./digits` is the folder)
- `package.module:function`: called with the settings, must return a `Workload`
- a folder with config.json: a Hugging Face text classifier, with `data=` (see `from_folder`)
- a file `.onnx`: a trained model, with `data=` (see `from_onnx`)
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish.core.doors import WORKLOADS
from burnish.core.errors import RecipeError, UnknownName, did_you_mean
from burnish.workloads.workload import Workload


def get(name: str, **settings: Any) -> Workload:
    """The workload of that name, made with these settings.

    Raises `UnknownName`, `RecipeError` on a setting it does not have (naming the nearest one it
    has) or a function that gives no workload, and what the workload itself raises, such as
    `MissingData`.
    """
    make = _maker(name)
    _check_settings(make, name, settings)
    workload = make(**settings)
    if not isinstance(workload, Workload):
        raise RecipeError(
            f"{name} returned {type(workload).__name__}, not a Workload",
            where=name,
            help="return burnish.workloads.workload.Workload(...)",
        )
    return workload


def _maker(name: str) -> Callable[..., object]:
    if name in WORKLOADS.names():
        known: Callable[..., object] = WORKLOADS.get(name)
        return known
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        from burnish.workloads.from_folder import from_folder

        def make(**settings: Any) -> Workload:
            return from_folder(path, **settings)

        make.__signature__ = _without_first(from_folder)  # type: ignore[attr-defined]
        return make
    if path.suffix == ".onnx":
        from burnish.workloads.from_onnx import from_onnx

        def make_onnx(**settings: Any) -> Workload:
            return from_onnx(path, **settings)

        make_onnx.__signature__ = _without_first(from_onnx)  # type: ignore[attr-defined]
        return make_onnx
    if ":" in name:
        return _import(name)
    if path.exists():
        raise UnknownName(f"{name} is no workload", help="give a model folder with config.json, or an .onnx file")
    part: Callable[..., object] = WORKLOADS.get(name)
    return part


def _import(name: str) -> Callable[..., object]:
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RecipeError(
            f"the module {module_name!r} cannot be imported",
            where=name,
            why=str(error),
            help="run from the folder that holds it, or install it",
        ) from error
    except ValueError:
        raise RecipeError(f"{name!r} names no module", help="write package.module:function") from None
    found = vars(module).get(function_name)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        kind = "no function" if found is None else f"{type(found).__name__}, not a function,"
        raise RecipeError(
            f"{module_name} has {kind} {function_name!r}", where=name, help=did_you_mean(function_name, functions)
        )
    function: Callable[..., object] = found
    return function


def _check_settings(make: Callable[..., object], name: str, settings: dict[str, Any]) -> None:
    parameters = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    named = {p.name: p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    for key in settings:
        if key not in named:
            known = did_you_mean(key, named) if named else "it has no settings"
            raise RecipeError(f"unknown setting {key!r} of the workload {name}", help=known)
    for key, parameter in named.items():
        if parameter.default is parameter.empty and key not in settings:
            way = "--data PATH" if key == "data" else f"--set settings.{key}=..."
            raise RecipeError(f"the workload {name} needs the setting {key!r}", help=f"give {way}")


def _without_first(function: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
