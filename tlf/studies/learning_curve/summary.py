"""What a learning curve says: sentences for the terminal and the page, and the tables."""

from collections.abc import Iterator

from tlf.metrics.paired import CLAIM_FROM, Difference
from tlf.runtime.text import printable
from tlf.studies.accuracy import columns, heading, percent
from tlf.studies.learning_curve.learning_curve import ClassCurve, LearningCurve, Spread

FLAT = 0.01
"""Where the whole interval of the gain is below one point, the curve is flat."""
_MOST_CLASSES = 20
"""So many classes has the table of the terminal at most."""
_NAMED = 5
"""So many classes does the sentence name."""


def lines(found: LearningCurve) -> Iterator[str]:
    """The tables of ``tlf curve``."""
    yield (
        f"curve     {found.source}: {found.images:,} train images of {len(found.classes)} classes; "
        f"features of {printable(found.backbone)}"
    )
    yield (
        f"draws     {found.draws}; each holds out a fifth of the images, and judges all sizes by it"
    )
    yield ""
    yield f"{heading(found.metric)}   per class   train images"
    for one in found.sizes:
        per_class = one.images / len(found.classes)
        yield f"{columns(one.accuracy)}   {per_class:>9,.4g}   {one.images:>12,}"
    yield ""
    yield from sentences(found)
    yield ""
    figure = f"{_short(found.of_a_class):>7}   {'95 % interval':14}"
    yield f"{figure}    gain   95 % interval     images   class"
    yield from map(_row, found.classes[:_MOST_CLASSES])
    if len(found.classes) > _MOST_CLASSES:
        yield f"  … {len(found.classes) - _MOST_CLASSES} more classes gain less; see the page"
    yield class_sentence(found)


def sentences(found: LearningCurve) -> Iterator[str]:
    """What was measured, and what the fan says of more images."""
    yield rise(found)
    if found.fan is None:
        yield "no forecast: a fan of power laws needs four sizes"
        return
    if found.fan.problem:
        yield f"no forecast: {found.fan.problem}"
    else:
        for one in found.fan.forecasts:
            yield (
                f"with {one.factor} × as many images ({one.images:,}): {span(one.accuracy)}; "
                f"that is {_points(one.gain)} points more"
            )
    past = found.fan.hindcast
    if past is not None:
        yield (
            f"checked: from up to {past.sizes_to:,} images, the fan foretold {span(past.foretold)} "
            f"with {past.images:,}; measured: {percent(past.measured)}"
        )


def rise(found: LearningCurve) -> str:
    """Whether the accuracy still rises."""
    gain = found.gain
    which = f"from {found.gain_from:,} to {found.sizes[-1].images:,} images"
    interval = f"{_signed(gain.value)} points [{_signed(gain.low)}, {_signed(gain.high)}]"
    if gain.better > 0:
        return f"{which}, {found.metric.in_words} rises: {interval}"
    if gain.better < 0:
        return f"{which}, {found.metric.in_words} falls: {interval}; check the labels"
    if gain.high < FLAT and gain.images >= CLAIM_FROM:
        return f"{which}, the curve is flat: {interval}"
    return f"{which}, no rise can be told from chance: {interval}"


def class_sentence(found: LearningCurve) -> str:
    """Which classes need images, and which one needs them most: the one whose whole interval is
    above those of all others. The intervals hold together.
    """
    unknown = "which class needs images most cannot be told"
    sure = [one for one in found.classes if one.gain.better > 0]
    if not sure:
        return f"{unknown}: no gain is more than chance"
    first, *others = sure
    which = f"from {found.gain_from:,} to {found.sizes[-1].images:,} images"
    if all(first.gain.low > one.gain.high for one in found.classes if one is not first):
        return (
            f"{printable(first.name)} needs images most: {which}, its {found.of_a_class} rises "
            f"most, by {_signed(first.gain.value)} points"
        )
    named = ", ".join(f"{printable(one.name)} ({_signed(one.gain.value)})" for one in sure[:_NAMED])
    more = f" and {len(sure) - _NAMED} more" if len(sure) > _NAMED else ""
    need = "need" if others else "needs"
    return (
        f"{named}{more} {need} images: {which}, {found.of_a_class} rises by these points, which is "
        f"more than chance; {unknown}"
    )


def span(one: Spread) -> str:
    """An interval of rates.

    >>> span(Spread(0.951, 0.968))
    '95.1% to 96.8%'
    """
    return f"{percent(one.low)} to {percent(one.high)}"


def gain_span(gain: Difference) -> str:
    """The interval of a gain in points.

    >>> gain_span(Difference(0.02, -0.01, 0.05, 100, 10))
    '-1.0 to +5.0'
    """
    return f"{_signed(gain.low)} to {_signed(gain.high)}"


def _row(one: ClassCurve) -> str:
    return (
        f"{columns(one.recall)}   {_signed(one.gain.value):>5}   {gain_span(one.gain):16} "
        f"{one.images:>7,}   {printable(one.name)}"
    )


def _short(title: str) -> str:
    """The title of a column.

    >>> _short("recall"), _short("average precision")
    ('recall', 'AP')
    """
    return title if " " not in title else "".join(word[0] for word in title.split()).upper()


def _points(gain: Spread) -> str:
    """A gain of a forecast.

    >>> _points(Spread(0.0, 0.0123))
    '0.0 to 1.2'
    """
    return f"{100 * gain.low:.1f} to {100 * gain.high:.1f}"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.1f}"
