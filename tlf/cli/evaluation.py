"""What ``tlf evaluate`` prints."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tlf.metrics.text import lines

if TYPE_CHECKING:
    from tlf.evaluation.evaluate import Evaluated

MOST_NAMED = 10
"""So many classes are named at most."""


def result_lines(evaluated: "Evaluated") -> Iterator[str]:
    """What a model is worth; then what other views of the images, or a second model, change."""
    yield from _one(evaluated)
    if (other := evaluated.other) is None:
        return
    yield ""
    yield from _one(other)
    yield ""
    yield f"{evaluated.model} against {other.model}"
    yield from comparison_lines(evaluated.comparison, evaluated.model, other.model)


def _one(evaluated: "Evaluated") -> Iterator[str]:
    yield f"model     {evaluated.model}"
    how = ", as the run has classified them" if evaluated.recorded else ""
    yield f"images    {evaluated.evaluation.images:,} of {evaluated.data}{how}"
    if evaluated.unknown:
        yield f"left out  {unknown_text(evaluated.unknown)}"
    if evaluated.unreadable:
        yield f"left out  {len(evaluated.unreadable):,} that cannot be read, listed below"
    yield from lines(evaluated.evaluation)
    if (tta := evaluated.tta) is not None:
        yield f"with --tta {tta.title}"
        yield from comparison_lines(tta.comparison, "one view", tta.title)


def unknown_text(unknown: Mapping[str, int]) -> str:
    """Images of classes that a model does not know.

    >>> unknown_text({"flies": 3, "wasps": 1})
    "4 images of classes that the model does not know: 'flies' (3), 'wasps' (1)"
    """
    total, more = sum(unknown.values()), len(unknown) - MOST_NAMED
    named = ", ".join(f"{name!r} ({count:,})" for name, count in [*unknown.items()][:MOST_NAMED])
    rest = f" and {more:,} more classes" if more > 0 else ""
    return (
        f"{total:,} image{'' if total == 1 else 's'} of classes that the model does not know: "
        f"{named}{rest}"
    )


def comparison_lines(c, a, b):
    yield f"{a} {b} {c}"
