"""One error for whatever fails while a run is pushed: what to do about it, and what is left."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tlf.errors import RunError, TlfError
from tlf.pretrained.hub_answers import ADVICE, reason, was_answered

LOGIN = "log in with: hf auth login, or set HF_TOKEN to a token with write access"

WRITING: Mapping[int, str] = {
    **ADVICE,
    401: f"it does not accept the token; {LOGIN}",
    403: "the token may not write there; use one with write access, or another --repo",
    409: "somebody else has changed it now, or it has such a repository; try again",
    413: "a file is too large for it",
}
"""Status → what it means for who writes."""

NOTHING = "Nothing was pushed"

UNREACHED = (
    "push again where there is a network, or set HF_ENDPOINT to a mirror of the hub; --to card "
    "writes the card without one"
)
"""What to do where nothing has answered."""


@contextmanager
def hub_failures(
    doing: str, left: str, unanswered: str = f"{NOTHING}; {UNREACHED}"
) -> Iterator[None]:
    """Make one error of whatever huggingface_hub and its network library raise.

    Parameters:
        doing: what fails.
        left: what is on the hub then.
        unanswered: the same where nothing has answered, and what to do.

    Raises:
        RunError: says both, and what to do.
    """
    try:
        yield
    except TlfError:
        raise
    except Exception as error:  # the network library of the hub differs between versions
        outcome = left if was_answered(error) else unanswered
        raise RunError(f"{doing} failed: {reason(error, WRITING)}. {outcome}") from error
