"""Plots of decisions: precision against recall, and whether probabilities can be trusted."""

from typing import TYPE_CHECKING

from tlf.metrics.figures import Calibration
from tlf.metrics.multi_label.figures import MultiLabelClassFigures, MultiLabelEvaluation
from tlf.reports.plots.calibration import draw_reliability
from tlf.reports.plots.curves import extremes
from tlf.reports.plots.plot import FIRST, INK, MUTED, SECOND, TRAINS, Plot, Table, number
from tlf.runtime.text import printable, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLES = ((FIRST, "-"), (SECOND, "--"), (TRAINS, "-."), (INK, ":"), (MUTED, "-"))
"""Of the curves: no two have the same line."""

_LONGEST = 24
"""Characters of a class beside its line."""


def precision_recall_plot(evaluation: MultiLabelEvaluation) -> Plot:
    """Precision against recall of each class; of many classes, of those with the least AP."""
    known = [one for one in evaluation.per_class if one.curve]
    worst = sorted(known, key=lambda one: one.ap.value or 0.0)[: len(_STYLES)]
    drawn = [one for one in known if one in worst]
    note = "" if len(drawn) == len(known) else f"the {len(drawn)} of {len(known)} with the least AP"
    rows = tuple(
        (printable(one.name), number(one.ap.value, ".4f"), f"{one.support:,}") for one in drawn
    )
    return Plot(
        "precision-recall",
        "Precision and recall",
        "The precision against the recall of each class, for every threshold"
        f"{f': {note}' if note else ''}. The area below a line is about the average precision.",
        lambda figure: _draw(figure, drawn),
        Table(("class", "average precision", "images"), rows, note),
        height=3.8,
    )


def _draw(figure: "Figure", classes: list[MultiLabelClassFigures]) -> None:
    axes = figure.subplots()
    for one, (colour, line) in zip(classes, _STYLES, strict=False):
        if one.curve is None:
            continue
        kept = extremes(one.curve.y)
        axes.plot(
            [one.curve.x[n] for n in kept], [one.curve.y[n] for n in kept],
            color=colour, linestyle=line,
            label=f"{shortened(printable(one.name), _LONGEST)} {number(one.ap.value, '.3f')}",
        )  # fmt: skip
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    figure.legend(loc="outside upper center", ncols=2)


def decisions_plot(calibration: Calibration, after: Calibration | None = None) -> Plot:
    """How often a class of a probability is a label, and how many decisions have it."""
    bins = [
        (f"{low:.0%} to {high:.0%}", f"{count:,}", number(mean, ".1%"), number(rate, ".1%"))
        for low, high, count, mean, rate in zip(
            calibration.edges, calibration.edges[1:], calibration.counts, calibration.confidence,
            calibration.accuracy, strict=False,
        )
    ]  # fmt: skip
    return Plot(
        "reliability",
        "Reliability diagram of decisions",
        f"{sum(calibration.counts):,} decisions, one for each image and class, in bins of their "
        "probability. Where a point is on the diagonal, classes of that probability are labels as "
        "often as they say. The bars count the decisions of each bin.",
        lambda figure: draw_reliability(
            figure, calibration, after, ("a label", "decisions", "probability")
        ),
        Table(("probability", "decisions", "its mean", "a label"), tuple(bins)),
        height=3.8,
    )
