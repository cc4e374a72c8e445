"""Whether probabilities can be trusted: the reliability diagram, and accuracy against the share of
images that are answered.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tlf.metrics.figures import Calibration
from tlf.metrics.selective_prediction import Answered
from tlf.reports.plots.plot import FIRST, INK, MUTED, SECOND, Plot, Table, number, percent_tick

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_plot(calibration: Calibration, after: Calibration | None = None) -> Plot:
    """How often a prediction of a probability is right, and how many images have it.

    Parameters:
        calibration: the bins.
        after: those of the same images after temperature scaling.
    """
    bins = [
        (f"{low:.0%} to {high:.0%}", f"{count:,}", number(sure, ".1%"), number(right, ".1%"))
        for low, high, count, sure, right in _bins(calibration)
    ]
    filled = sum(count > 0 for count in calibration.counts)
    return Plot(
        "reliability",
        "Reliability diagram",
        f"{sum(calibration.counts):,} images in {filled} filled bins of the highest probability. "
        "Where a point is on the diagonal, predictions of that probability are right as often as "
        "they say; below it, they are too sure. The bars count the images of each bin.",
        lambda figure: draw_reliability(figure, calibration, after),
        Table(("highest probability", "images", "its mean", "right"), tuple(bins)),
        height=3.8,
    )


def _bins(
    calibration: Calibration,
) -> list[tuple[float, float, int, float | None, float | None]]:
    edges = calibration.edges
    return [
        *zip(
            edges, edges[1:], calibration.counts, calibration.confidence, calibration.accuracy,
            strict=False,
        )
    ]  # fmt: skip


def draw_reliability(
    figure: "Figure",
    calibration: Calibration,
    after: Calibration | None,
    names: tuple[str, str, str] = ("right", "images", "highest probability"),
) -> None:
    """Draw the rate of each bin, and how many there are. ``names``: of the rate, of what is
    counted, of the probability.
    """
    axes, counts = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="as it should be")
    labels = ("before temperature scaling", "after") if after else ("predictions",)
    styles = [(FIRST, "o", "-"), (SECOND, "s", "--")]
    for one, label, (colour, marker, line) in zip(
        [calibration, *([after] if after else [])], labels, styles, strict=False
    ):
        points = [(sure, right) for *_, sure, right in _bins(one) if sure is not None]
        axes.plot(
            [sure for sure, _ in points], [right for _, right in points],
            color=colour, marker=marker, linestyle=line, label=label, markersize=5,
        )  # fmt: skip
    axes.set_ylabel(names[0])
    axes.set_ylim(-0.02, 1.02)
    edges = calibration.edges
    widths = [high - low for low, high in pairwise(edges)]
    counts.bar(
        edges[:-1], calibration.counts, widths, align="edge", color=FIRST, edgecolor=INK,
        linewidth=0.5,
    )  # fmt: skip
    counts.set_ylabel(names[1])
    counts.set_xlabel(names[2])
    counts.set_xlim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent_tick)
    figure.legend(loc="outside upper center", ncols=3)


def answering_plot(answered: Sequence[Answered]) -> Plot:
    """The accuracy of the images that are answered, against their share.

    Parameters:
        answered: a point for each limit of the probability, ascending.
    """
    rows = [
        (f"{one.above:.0%}", number(one.share, ".1%"), f"{one.images:,}",
         number(one.accuracy, ".2%"))
        for one in answered[:: max(1, len(answered) // 20)]
    ]  # fmt: skip
    all_of_them = answered[0]
    return Plot(
        "answering",
        "Accuracy of the images that are answered",
        f"All images are answered with an accuracy of {number(all_of_them.accuracy, '.1%')}. "
        "Where only those are answered whose highest probability is above a limit, fewer are "
        "answered, and more of them should be right.",
        lambda figure: _draw_answering(figure, answered),
        Table(("answer only above", "share answered", "images", "accuracy"), tuple(rows)),
    )


def _draw_answering(figure: "Figure", answered: Sequence[Answered]) -> None:
    axes = figure.subplots()
    points = [one for one in answered if one.images]
    axes.plot(
        [one.images / one.of for one in points], [one.right / one.images for one in points],
        color=FIRST, marker="." if len(points) > 1 else "o", linewidth=1.5,
    )  # fmt: skip
    axes.set_xlabel("share of images that is answered")
    axes.set_ylabel("accuracy of these")
    axes.set_xlim(0, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent_tick)
