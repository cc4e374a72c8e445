"""Lines about epochs and segments that several commands print."""

from collections.abc import Iterator

from tlf.events import Audit
from tlf.results import EpochResult
from tlf.tasks import describe


def audit_lines(audit: Audit) -> Iterator[str]:
    """What a segment has left as it was, and what it has changed.

    >>> [*audit_lines(Audit(frozen=1816560, trained=2))]
    ['frozen    1,816,560 values unchanged, bit for bit', 'trained   2 of 2 tensors moved']
    """
    if audit.frozen:
        yield f"frozen    {audit.frozen:,} values unchanged, bit for bit"
    yield f"trained   {audit.trained - len(audit.unmoved)} of {audit.trained} tensors moved"


def epoch_text(result: EpochResult, width: int = 0) -> str:
    """The line about a finished epoch. ``width``: the length of the longest phase name."""
    return (
        f"{result.phase:<{width}} {result.epoch + 1:>3}  "
        f"loss {result.train_loss:.4f} train, {result.eval_loss:.4f} eval  "
        f"{describe(result.metrics, 6, result.described)}  "
        f"{result.images_per_second:.0f} images/s  {result.seconds:.1f} s"
    )
