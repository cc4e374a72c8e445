"""What the hub's answers mean, and which names it takes."""

from types import SimpleNamespace

import pytest

from tlf.pretrained.hub_answers import name_problem, reason


def failed(status):
    error = OSError("no\nRequest ID: 1")
    error.response = SimpleNamespace(status_code=status)
    return error


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        (401, "the hub answered 401: it has no such repository, hides it, or does not accept the "),
        (404, "the hub answered 404: it has no such repository or revision, or hides it"),
        (503, "the hub answered 503: it has a fault; try again later"),
        (418, "the hub answered 418: no"),
    ],
)
def test_a_status_is_explained(status, meant):
    assert reason(failed(status)).startswith(meant)


def test_the_cause_behind_other_errors_counts():
    outer = RuntimeError("Error while uploading")
    outer.__cause__ = failed(403)
    assert reason(outer, {403: "ask its owner"}) == "the hub answered 403: ask its owner"
    outer.__cause__ = ConnectionError("refused.\nmore")
    assert reason(outer) == "refused"
    assert reason(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    "name", ["a b/c", "me/..", "me/a/b", "me/-x", "me/" + "x" * 97, "/x", "me/"]
)
def test_names_that_the_hub_refuses(name):
    assert name_problem(name)
