"""What a study prints."""

from collections.abc import Iterator

from tlf.metrics.verdict import verdict
from tlf.runtime.text import printable
from tlf.studies.accuracy import columns, heading, percent
from tlf.studies.probe.probed import Probed, ProbedBackbone
from tlf.tasks.metric import Metric

_BAR = 24
"""Characters of the bar of a stage."""


def lines(probed: Probed) -> Iterator[str]:
    """The tables of ``tlf probe``."""
    classes = len(probed.class_counts)
    largest = max(probed.class_counts.values()) / probed.images
    yield (
        f"probed    {probed.source}: {probed.images:,} train images of {classes} classes, "
        f"{largest:.1%} in the largest"
    )
    yield (
        f"folds     {probed.folds}, dealt {probed.repeats} times; figures are of held-out images"
    )
    yield ""
    yield f"{heading(probed.metric)}   ridge   ms/image       MB   params   backbone"
    yield from map(_row, probed.backbones)
    if len(probed.backbones) > 1:
        yield f"\ncompared with the first, {printable(probed.backbones[0].name)}:"
        yield from (f"  {text}" for text in verdicts(probed))
    for one in probed.backbones:
        if one.stages:
            yield ""
            yield from _stages(one, probed.metric)
    if probed.failed:
        names = ", ".join(one.name for one in probed.failed)
        yield f"\nnot probed: {names}; the notes say why"


def verdicts(probed: Probed) -> Iterator[str]:
    """A sentence for each backbone but the first, whose accuracy is the highest."""
    for one in probed.backbones[1:]:
        if one.behind is not None:
            yield f"{printable(one.name)}: {verdict('the first', one.name, one.behind, 'splits')}"


def _row(one: ProbedBackbone) -> str:
    main, ridge = one.accuracy["logistic"], one.accuracy["ridge"]
    return (
        f"{columns(main)}  {percent(ridge.value):>6}   {1000 * one.seconds:>8.1f} "
        f"{one.megabytes:>8.1f} {_short(one.parameters):>8}   {printable(one.name)}"
    )


def _stages(one: ProbedBackbone, metric: Metric) -> Iterator[str]:
    yield f"stages of {printable(one.name)}, averaged over all places:"
    yield f"{heading(metric)}   channels   stage"
    for stage in one.stages:
        figure = stage.accuracy
        yield (
            f"{columns(figure)}   {stage.features:>8}   {printable(stage.stage):12} "
            f"{'▇' * round(_BAR * (figure.value or 0))}"
        )


def _short(count: int) -> str:
    """A number of parameters.

    >>> _short(4_652_008), _short(532), _short(86_567_656)
    ('4.7M', '532', '86.6M')
    """
    for factor, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= factor:
            return f"{count / factor:.1f}{unit}"
    return str(count)
