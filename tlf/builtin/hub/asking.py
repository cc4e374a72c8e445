"""Asking the datasets library, which lets through whatever goes wrong inside."""

from collections.abc import Callable
from typing import Any

from tlf.errors import DataError


def asked(question: Callable[[], Any], failed: str) -> Any:  # noqa: ANN401 - whatever the library answers
    """What the library answers, its failures being the user's to mend.

    Raises:
        DataError: it failed.
    """
    try:
        return question()
    # The library lets through whatever its HTTP client and its file readers raise.
    except Exception as error:
        reason = str(error).strip().splitlines()[:1] or [""]
        raise DataError(f"{failed} ({type(error).__name__}: {reason[0]})") from error
