"""What ``tlf evaluate`` prints."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tlf.metrics.text import lines

if TYPE_CHECKING:
    from tlf.evaluation.evaluate import Evaluated
    from tlf.metrics.comparison import Comparison
    from tlf.metrics.figures import Figure

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
    for text in left_out(evaluated):
        yield f"left out  {text}"
    yield from lines(evaluated.evaluation)
    if (tta := evaluated.tta) is not None:
        yield f"with --tta {tta.title}"
        yield from comparison_lines(tta.comparison, "one view", tta.title)


def left_out(evaluated: "Evaluated") -> Iterator[str]:
    """Which images no figure is about, and why."""
    if evaluated.unknown:
        yield unknown_text(evaluated.unknown)
    if count := len(evaluated.unreadable):
        yield f"{count:,} image{'' if count == 1 else 's'} that cannot be read"


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


def comparison_lines(comparison: "Comparison", first: str, second: str) -> Iterator[str]:
    """How much better the second is, and whether that can be told apart from chance."""
    for title, figure in (("top-1", comparison.top1), ("macro-F1", comparison.macro_f1)):
        yield f"{title:<9} {_points(figure)} of {second}, compared with {first}"
    verdict = f"McNemar's test: p = {comparison.p_value:.2g}"
    if comparison.distinguishable:
        yield f"verdict   they differ ({verdict})"
    elif comparison.images_needed is None:
        yield f"verdict   no difference ({verdict})"
    else:
        needed = f"about {comparison.images_needed:,} images would tell"
        yield f"verdict   not distinguishable ({verdict}); {needed}"
    one, other = len(comparison.only_first), len(comparison.only_second)
    yield f"right     only by {first}: {one:,}; only by {second}: {other:,}"


def _points(figure: "Figure") -> str:
    """A difference of rates, with its interval.

    >>> from tlf.metrics.figures import Figure
    >>> _points(Figure(0.013, -0.0065, 0.0327)), _points(Figure(None))
    ('+1.30 points [-0.65, +3.27]', '–')
    """
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{100 * figure.value:+.2f} points [{100 * figure.low:+.2f}, {100 * figure.high:+.2f}]"
