"""The description of the server: OpenAPI 3.1."""

from collections.abc import Mapping
from typing import Any

import tlf
from tlf.serving.limits import ServingLimits
from tlf.serving.models import Models
from tlf.serving.refusals import REASONS
from tlf.serving.uploads import BYTES, FORM

Json = Mapping[str, Any]


def description(models: Models, limits: ServingLimits) -> Json:
    """All addresses, what they take, and what they answer."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tlf serve",
            "version": tlf.__version__,
            "description": f"Classifies images by: {', '.join(one.run for one in models.each)}.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict(limits)},
            "/health": _get("health", "Whether the models are loaded", _json_of("Health")),
            "/metrics": _get("metrics", "Figures in Prometheus' text format", _text("plain")),
            "/openapi.json": _get(
                "openapi", "This description", {"application/json": {"schema": {"type": "object"}}}
            ),
            "/": _get("page", "A page on which images are dropped", _text("html")),
        },
        "components": {
            "schemas": _schemas(),
            "responses": {_name(status): _error(status) for status in REASONS},
        },
    }


def _predict(limits: ServingLimits) -> Json:
    image = {"schema": {"type": "string", "format": "binary"}}
    files = {
        "type": "object",
        "additionalProperties": {
            "type": "array", "items": image["schema"], "maxItems": limits.images,
        },
    }  # fmt: skip
    top = {
        "name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1},
        "description": "Only the most probable classes, the best first.",
    }  # fmt: skip
    return {
        "operationId": "predict",
        "summary": "Classify an image, or the files of a form",
        "description": f"At most {limits.body:,} bytes, {limits.images} images, and "
        f"{limits.pixels:,} pixels of an image.",
        "parameters": [top],
        "requestBody": {
            "required": True,
            "content": {"image/*": image, BYTES: image, FORM: {"schema": files}},
        },
        "responses": {
            "200": {"description": "A prediction of each model for each image, in their order.",
                    "content": _json_of("Answer")},
            **_errors(400, 403, 408, 413, 415, 421, 422, 431, 500, 503, 504),
        },
    }  # fmt: skip


def _get(name: str, summary: str, content: Json) -> Json:
    responses = {
        "200": {"description": f"{summary}.", "content": content},
        **_errors(421, 431, 500),
    }
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def _errors(*statuses: int) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}


def _error(status: int) -> Json:
    described: dict[str, Any] = {"description": REASONS[status], "content": _json_of("Error")}
    if status == 503:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        described["headers"] = {"Retry-After": seconds}
    return described


def _name(status: int) -> str:
    return f"Error{status}"


def _json_of(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _text(kind: str) -> Json:
    return {f"text/{kind}": {"schema": {"type": "string"}}}


def _object(optional: Json, /, **required: Json) -> Json:
    """An object that has nothing else."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": [*required],
        "additionalProperties": False,
    }


def _schemas() -> Json:
    text: Json = {"type": "string"}
    number: Json = {"type": "number"}
    probability: Json = {"type": "number", "minimum": 0, "maximum": 1}
    sha256: Json = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
    identity: dict[str, Json] = {"run": text, "sha256": sha256}
    near = _object({}, path=text, label=text, similarity=number)
    prediction = {
        **_object(
            {
                "predicted": {**text, "description": "The most probable class."},
                "predicted_labels": {
                    **_list(text), "description": "Of a model of images with several labels.",
                },
                "unsure": {
                    "type": ["array", "null"], "items": text,
                    "description": "The labels that are probable enough, if not exactly one is.",
                },
                "unlike": {
                    "type": "boolean", "description": "Whether it is unlike all train images.",
                },
                "nearest": _list(near),
            },
            path={"type": ["string", "null"], "description": "The name of the file, if it has one"},
            probabilities={"type": "object", "additionalProperties": probability},
        ),
        "oneOf": [{"required": ["predicted"]}, {"required": ["predicted_labels"]}],
    }  # fmt: skip
    model = _object({}, **identity, tlf=text, predictions=_list(_ref("Prediction")))
    error = _object({"id": text}, status={"type": "integer"}, code=text, message=text)
    return {
        "Answer": _object({}, models=_list(model)),
        "Prediction": prediction,
        "Health": _object(
            {}, status={"const": "ready"}, tlf=text, models=_list(_object({}, **identity))
        ),
        "Error": _object({}, error=error),
    }


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}
