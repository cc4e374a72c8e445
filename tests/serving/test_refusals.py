"""Errors as clients get them."""

import json

from tlf.serving.refusals import RefusedError


def test_what_is_busy_says_when_to_try_again():
    answer = RefusedError(503, "busy", "send it again").answer()
    assert answer.headers["Retry-After"] == "1"
    assert json.loads(answer.body) == {
        "error": {"status": 503, "code": "busy", "message": "send it again"}
    }
    odd = RefusedError(400, "bad-top", "\udce9 é").answer().body
    assert json.loads(odd)["error"]["message"] == "\udce9 é"
    assert "Retry-After" not in RefusedError(400, "bad-top", "…").answer().headers
