"""One error for whatever fails while a run is pushed: what to do about it, and what is left."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tlf.errors import RunError, TlfError
from tlf.pretrained.hub_answers import ADVICE, reason, was_refused

LOGIN = "log in with: hf auth login, or set HF_TOKEN to a token with write access"

WRITING: Mapping[int, str] = {
    **ADVICE,
    401: f"it does not accept the token; {LOGIN}",
    403: "the token may not write there; use one with write access, or another --repo",
    409: "somebody else has changed it now, or it has such a repository; try again",
    412: "somebody else has changed it since it was asked for its files; try again",
    413: "a file is too large for it",
}
"""Status → what it means for who writes."""

NOTHING = "Nothing was pushed"

UNREACHED = (
    "push again where the hub can be reached, or set HF_ENDPOINT to a mirror of it; --to card "
    "writes the card without it"
)
"""What to do where the hub has not answered."""


@contextmanager
def hub_failures(
    doing: str, left: str, unanswered: str = f"{NOTHING}; {UNREACHED}"
) -> Iterator[None]:
    """Make one error of whatever huggingface_hub and its network library raise.

    Parameters:
        doing: what fails.
        left: what is on the hub where it has refused.
        unanswered: the same where nothing has answered, or with a fault (5xx): a gateway says so
            of a hub that may have done it. And what to do.

    Raises:
        RunError: says both, and what to do.
    """
    try:
        yield
    except TlfError:
        raise
    except Exception as error:  # the network library of the hub differs between versions
        outcome = left if was_refused(error) else unanswered
        raise RunError(f"{doing} failed: {reason(error, WRITING)}. {outcome}") from error
