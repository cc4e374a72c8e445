"""Names of repositories of the Hugging Face hub, and what its answers mean, in a line."""

from collections.abc import Iterator, Mapping

LOGIN = "log in with: hf auth login, or set HF_TOKEN"

ADVICE: Mapping[int, str] = {
    401: f"it has no such repository, hides it, or does not accept the token; {LOGIN}",
    403: f"it needs the right to see this; {LOGIN}",
    404: f"it has no such repository or revision, or hides it; for a private one {LOGIN}",
    429: "it has had too many requests; try again later",
}
"""Status → what it means for who reads."""


def name_problem(repository: str) -> str:
    """Why a text cannot be the name of a repository with its owner, ``user/name``; empty if it can.

    >>> name_problem("me/ants"), name_problem("ants")
    ('', 'it has no owner')
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if "/" not in repository:
        return "it has no owner"
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        return str(error).rstrip(".")
    return ""


def reason(error: BaseException, advice: Mapping[int, str] = ADVICE) -> str:
    """Why the hub has refused, or could not be reached.

    Parameters:
        error: whatever huggingface_hub or its network library, which differs between versions, has
            raised.
        advice: status → what it means.
    """
    answer = _answer(error)
    if answer is None:
        return _first_line([*_causes(error)][-1])
    status, one = answer
    meant = "it has a fault; try again later" if status >= 500 else advice.get(status)
    return f"the hub answered {status}: {meant or _first_line(one)}"


def was_refused(error: BaseException) -> bool:
    """Whether the hub has refused. Otherwise it could not be reached, or its answer is of a fault,
    maybe of a gateway before it: it may have done what was asked for.
    """
    answer = _answer(error)
    return answer is not None and 400 <= answer[0] < 500


def _answer(error: BaseException) -> tuple[int, BaseException] | None:
    """The status that the hub has answered, and the error that says so."""
    for one in _causes(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return status, one
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _first_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{said:.300}" or type(error).__name__
