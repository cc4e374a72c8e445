"""What an answer of the hub means for a person, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tlf.errors import RunError, TlfError

LOGIN = "log in with: hf auth login, or set HF_TOKEN to a token with write access"

_ADVICE = {
    401: f"it does not accept the token; {LOGIN}",
    403: "the token may not write there; use one with write access, or another --repo",
    404: "it has no such repository, or hides it from this token",
    409: "it has another repository of this name, or somebody changes it now; try again",
    413: "a file is too large for it",
    429: "it has had too many requests; try again later",
}
"""Status → what it says."""


@contextmanager
def hub_failures(doing: str, left: str) -> Iterator[None]:
    """Make one error of whatever huggingface_hub and its network library raise.

    Parameters:
        doing: what fails.
        left: what is on the hub then.

    Raises:
        RunError: says both, and what to do.
    """
    try:
        yield
    except TlfError:
        raise
    except Exception as error:  # the network library of the hub differs between versions
        raise RunError(f"{doing} failed: {reason(error)}. {left}") from error


def reason(error: BaseException) -> str:
    """Why the hub has refused, or could not be reached, in a line."""
    chain = [*_causes(error)]
    for one in chain:
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            advice = "it has a fault; try again later" if status >= 500 else _ADVICE.get(status)
            return f"the hub answered {status}: {advice or _first_line(one)}"
    return _first_line(chain[-1])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _first_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {said:.300}" if said else type(error).__name__
