"""What a person or a tool may ask for beside the protocol: the page at `/` and the OpenAPI document."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from burnish.serve.protocol.datatypes import DATATYPES
from burnish.serve.protocol.rest import HEADER_LENGTH, dump_json
from burnish.serve.rollout.settings import Rollout

_ERRORS = {
    "400": "The request is malformed or does not fit the model",
    "404": "No such model or version",
    "413": "Too large",
    "429": "It would be answered too late, or the queue is full; see Retry-After",
    "500": "The model failed on this request",
    "503": "Not ready",
    "504": "Its time is up",
}


def home() -> tuple[str, bytes]:
    """The page: models, live figures, a form to try one."""
    return "text/html; charset=utf-8", (files("burnish.serve.http") / "page.html").read_bytes()


def openapi() -> tuple[str, bytes]:
    """The REST side as an OpenAPI 3.1 document."""
    return "application/json", dump_json(_document())


def _document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Burnish: Open Inference Protocol v2", "version": "2"},
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> dict[str, Any]:
    paths = {
        "/v2": {"get": _plain("Name, version and extensions of the server")},
        "/v2/health/live": {"get": _plain("Whether the server runs")},
        "/v2/health/ready": {"get": _plain("Whether every model answers", "503")},
        "/v2/models/stats": {"get": _plain("Counts of every model")},
        "/v2/repository/index": {"post": _plain("Every model version and its state")},
        "/metrics": {"get": _plain("Prometheus metrics")},
    }
    for what, text in (("load", "Bring a model to what lies in its folder"), ("unload", "Stop answering for a model")):
        paths[f"/v2/repository/models/{{model}}/{what}"] = {"post": _plain(text, "400", "404", names=("model",))}
    change = _plain("Put other settings into force", "400", "404", names=("model",))
    change["requestBody"] = {"content": _json("Rollout")}
    paths["/v2/repository/models/{model}/rollout"] = {
        "get": _plain(
            "How requests are spread over a model's versions, and what its gate knows", "404", names=("model",)
        ),
        "post": change,
    }
    for root, names in (
        ("/v2/models/{model}", ("model",)),
        ("/v2/models/{model}/versions/{version}", ("model", "version")),
    ):
        paths[root] = {"get": _plain("Inputs and outputs", "404", names=names)}
        paths[f"{root}/ready"] = {"get": _plain("Whether it answers", "404", "503", names=names)}
        paths[f"{root}/config"] = {"get": _plain("Settings", "404", names=names)}
        paths[f"{root}/stats"] = {"get": _plain("Counts", "404", names=names)}
        paths[f"{root}/infer"] = {"post": _infer(names)}
    return paths


def _plain(summary: str, *errors: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": "Done"}}
    answers |= {status: {"description": _ERRORS[status], "content": _json("Error")} for status in errors}
    found: dict[str, Any] = {"summary": summary, "responses": answers}
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return found


def _infer(names: tuple[str, ...]) -> dict[str, Any]:
    call = _plain("Run the model", *_ERRORS, names=names)
    call["responses"]["200"] = {"description": "The outputs", "content": _json("Answer")}
    call["requestBody"] = {"required": True, "content": _json("Request")}
    call["parameters"].append(
        {
            "name": HEADER_LENGTH,
            "in": "header",
            "description": "Bytes of JSON before binary tensors",
            "schema": {"type": "integer", "minimum": 0},
        }
    )
    return call


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _schemas() -> dict[str, Any]:
    text = {"type": "string"}
    parameters = {"type": "object", "additionalProperties": {"type": ["boolean", "integer", "number", "string"]}}
    tensor = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": text,
            "datatype": {"type": "string", "enum": list(DATATYPES)},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "parameters": parameters,
            "data": {"type": "array"},
        },
    }
    wanted = {"type": "object", "required": ["name"], "properties": {"name": text, "parameters": parameters}}
    return {
        "Tensor": tensor,
        "Request": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": text,
                "parameters": parameters,
                "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Tensor"}},
                "outputs": {"type": "array", "items": wanted},
            },
        },
        "Answer": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "model_name": text,
                "model_version": text,
                "id": text,
                "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
            },
        },
        "Rollout": Rollout.model_json_schema(ref_template="#/components/schemas/Rollout/$defs/{model}"),
        "Error": {"type": "object", "required": ["error"], "properties": {"error": text}},
    }
