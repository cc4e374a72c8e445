"""Answers to requests that are refused: a status, a code for programs, a sentence for people."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from tlf.runtime.strict_json import dumps

REASONS: Mapping[int, str] = {
    400: "The request is malformed, or holds no image or too many.",
    403: "A page of another website has sent the request.",
    404: "There is no such address.",
    405: "The address does not know the method.",
    408: "The request did not arrive in time.",
    413: "The body has too many bytes.",
    415: "The type of the body is neither an image nor a form with files.",
    421: "The request names another computer.",
    422: "An image cannot be read, or has too many pixels.",
    431: "The headers have too many bytes.",
    500: "The server has failed; its log has the error under the id.",
    503: "Too many requests wait. Try again after the seconds that Retry-After says.",
    504: "The answer was not ready in time.",
}
"""Status of each error → what it means."""


class Json(JSONResponse):
    """JSON in ASCII: names whose bytes are not UTF-8 come back unchanged."""

    def render(self, content: object) -> bytes:
        """The text as it is sent."""
        return dumps(content).encode()


class RefusedError(Exception):
    """A request that is refused. ``code`` names the reason for programs."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def answer(self) -> Response:
        """What its client gets."""
        return refusal(self.status, self.code, str(self))


def refusal(status: int, code: str, message: str, **more: str) -> Response:
    """An error as JSON. Of what is busy, it says when to try again."""
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Json(error_of(status, code, message, **more), status, headers)


def error_of(status: int, code: str, message: str, **more: str) -> Mapping[str, Any]:
    """What an answer says of an error."""
    return {"error": {"status": status, "code": code, "message": message, **more}}
