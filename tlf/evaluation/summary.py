"""What a model is worth, in lines of text: what ``tlf evaluate`` prints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING

from tlf.evaluation.groups import UNKNOWN
from tlf.evaluation.looks import sentences
from tlf.evaluation.same_bytes import sentence

if TYPE_CHECKING:
    from tlf.evaluation.evaluate import Evaluated

MOST_NAMED = 10
"""So many classes are named at most."""


def result_lines(evaluated: "Evaluated") -> Iterator[str]:
    """What a model is worth; then what other views of the images, or a second model, change."""
    yield from _one(evaluated)
    if evaluated.other is None or evaluated.comparison is None:
        return
    yield from ("", *_one(evaluated.other), "", "the two models, image by image")
    yield from evaluated.comparison.lines(evaluated.model, evaluated.other.model)


def _one(evaluated: "Evaluated") -> Iterator[str]:
    yield f"model     {evaluated.model}"
    how = ", as the run has classified them" if evaluated.recorded else ""
    yield f"images    {evaluated.evaluation.images:,} of {evaluated.data}{how}"
    for text in left_out(evaluated):
        yield f"left out  {text}"
    for text in evaluated.notes:
        yield from wrap(f"{text}.", 80, initial_indent="note      ", subsequent_indent=" " * 10)
    for text in cautions(evaluated):
        yield from wrap(text, 80, initial_indent="caution   ", subsequent_indent=" " * 10)
    yield ""
    yield from evaluated.evaluation.lines()
    if (tta := evaluated.tta) is not None:
        yield from ("", f"averaged over {tta.views} views (--tta {tta.title}), image by image")
        yield from tta.comparison.lines("one view", f"{tta.views} views")


def cautions(evaluated: "Evaluated") -> Iterator[str]:
    """What somebody should know who quotes the figures."""
    yield from (f"{text}." for text in evaluated.doubts)
    yield from (f"{text}." for text in sentences(evaluated.looks))
    if shared := sentence(evaluated.shared, evaluated.evaluation.images):
        yield f"{shared}."
    if evaluated.groups_unknown:
        yield UNKNOWN


def shared_cautions(found: Sequence["Evaluated"]) -> Iterator[str]:
    """The same of several models on the same images, each once. Of looks, the most are said."""
    yield from dict.fromkeys(text for one in found for text in cautions(replace(one, looks=())))
    yield from (f"{text}." for text in sentences(max((one.looks for one in found), key=len)))


def left_out(evaluated: "Evaluated") -> Iterator[str]:
    """Which images no figure is about, and why."""
    if evaluated.unknown:
        yield unknown_text(evaluated.unknown, evaluated.evaluation.counted)
    if count := len(evaluated.unreadable):
        yield f"{count:,} image{'' if count == 1 else 's'} that cannot be read"


def unknown_text(unknown: Mapping[str, int], counted: str = "image") -> str:
    """Images of classes that a model does not know; or their labels, where an image stays that has
    lost one.

    >>> unknown_text({"flies": 3, "wasps": 1})
    "4 images of classes that the model does not know: 'flies' (3), 'wasps' (1)"
    """
    total, more = sum(unknown.values()), len(unknown) - MOST_NAMED
    named = ", ".join(f"{name!r} ({count:,})" for name, count in [*unknown.items()][:MOST_NAMED])
    rest = f" and {more:,} more classes" if more > 0 else ""
    return (
        f"{total:,} {counted}{'' if total == 1 else 's'} of classes that the model does not know: "
        f"{named}{rest}"
    )
