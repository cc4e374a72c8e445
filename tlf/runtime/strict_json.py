"""JSON as every program reads it."""

import json
from typing import Any


def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - json's own
    """A value as JSON.

    Python's own writes ``NaN`` and ``Infinity``, which are no JSON: other programs refuse the file.

    Raises:
        ValueError: a number in it is not finite.

    >>> dumps({"loss": 0.25})
    '{"loss": 0.25}'
    """
    return json.dumps(value, allow_nan=False, **options)
