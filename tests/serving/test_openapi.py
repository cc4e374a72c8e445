"""The description, held to the answers."""

import importlib.util
import json

import pytest
from jsonschema import Draft202012Validator

from tlf.inference.prediction import MultiLabelPrediction
from tlf.serving.guard import PATHS
from tlf.serving.limits import ServingLimits
from tlf.serving.models import Models
from tlf.serving.openapi import description
from tlf.serving.refusals import REASONS


@pytest.fixture(scope="module")
def described(server):
    return server.ask("GET", "/openapi.json").json


def check(described, schema, content):
    """Check an answer against a schema of the description."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
    Draft202012Validator(root).validate(content)


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_is_whole(described):
    assert described["openapi"] == "3.1.0"
    assert sorted(described["paths"]) == sorted(PATHS)
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in references(described):
        place = described
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]
    operations = [one for path in described["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


@pytest.mark.skipif(
    importlib.util.find_spec("openapi_spec_validator") is None,
    reason="pip install openapi-spec-validator",
)
def test_openapis_own_validator_accepts_it(described):
    from openapi_spec_validator import OpenAPIV31SpecValidator

    assert [*OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_answers_are_as_described(server, serve, served_runs, described, jpegs):
    check(described, "Answer", server.predict(*jpegs[:2]).json)
    check(described, "Answer", server.predict(jpegs[0], query="?top=1").json)
    check(described, "Health", server.ask("GET", "/health").json)
    with serve(served_runs[0], nearest=1) as client:
        check(described, "Answer", client.predict(jpegs[0]).json)
    several = MultiLabelPrediction("a", 0.6, {"a": 0.6, "b": 0.5}, labels=("a", "b"))
    check(described, "Prediction", json.loads(json.dumps(several.as_json())))


def test_errors_are_as_described(server, described):
    stated = described["paths"]["/predict"]["post"]["responses"]
    for answer in (server.predict(b"no image"), server.ask("POST", "/predict", b"x"),
                   server.predict(query="?top=0"), server.predict()):  # fmt: skip
        check(described, "Error", answer.json)
        assert str(answer.status) in stated
        assert answer.status == answer.json["error"]["status"]
    assert {int(status) for status in stated} - {200} <= REASONS.keys()


def test_limits_are_those_of_the_server():
    found = description(Models((), ()), ServingLimits(body=7_000, images=3, pixels=5))
    assert "At most 7,000 bytes, 3 images, and 5 pixels" in json.dumps(found)
