"""Curves of two classes: ROC, and precision against recall."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlf.metrics.figures import Curve, Evaluation
from tlf.reports.plots.curves import extremes
from tlf.reports.plots.plot import FIRST, MUTED, Plot, Table, every_nth, number
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def two_class_plots(evaluation: Evaluation) -> Iterator[Plot]:
    """ROC, and precision against recall; none unless there are two classes."""
    if len(evaluation.classes) != 2:
        return
    name = printable(evaluation.classes[1])
    for curve, kind, title, x, y in (
        (evaluation.roc, "roc", "ROC curve", "false positive rate", "true positive rate"),
        (evaluation.precision_recall, "precision-recall", "Precision and recall", "recall",
         "precision"),
    ):  # fmt: skip
        if curve is not None and curve.x:
            yield _plot(curve, kind, f"{title} of {name}", x, y)


def _plot(curve: Curve, kind: str, title: str, x: str, y: str) -> Plot:
    area = "area" if kind == "roc" else "average precision"
    points = [(number(a, ".4f"), number(b, ".4f")) for a, b in zip(curve.x, curve.y, strict=True)]
    rows, step = every_nth(points)
    note = "" if step == 1 else f"one of {step} points"
    return Plot(
        kind,
        title,
        f"The {y} against the {x}, for every limit of the probability; {area} "
        f"{number(curve.area, '.4f')}.",
        lambda figure: _draw(figure, curve, f"{area} {number(curve.area, '.3f')}", x, y),
        Table((x, y), rows, note),
        height=3.4,
    )


def _draw(figure: "Figure", curve: Curve, label: str, x: str, y: str) -> None:
    axes = figure.subplots()
    if x == "false positive rate":
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="chance")
    kept = extremes(curve.y)
    axes.plot([curve.x[n] for n in kept], [curve.y[n] for n in kept], color=FIRST, label=label)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    figure.legend(loc="outside upper center", ncols=2)
