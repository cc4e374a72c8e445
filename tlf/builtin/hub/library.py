"""Calls of the datasets library, whose errors may be of any class."""

from collections.abc import Callable
from typing import Any

from tlf.errors import DataError


def call_library(function: Callable[[], Any], failed: str) -> Any:  # noqa: ANN401 - what it returns
    """What the library returns.

    Raises:
        DataError: it failed; begins with ``failed`` and ends with the library's reason.
    """
    try:
        return function()
    # The library raises whatever its HTTP client and its file readers raise.
    except Exception as error:
        reason = str(error).strip().splitlines()[:1] or [""]
        raise DataError(f"{failed} ({type(error).__name__}: {reason[0]})") from error
