"""Accuracies with their intervals, as every study shows them: figures of a task's main metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.metrics.figures import Figure
from tlf.metrics.groups import FEWEST
from tlf.metrics.resampling import LEVEL
from tlf.reports.plots.plot import FIRST, MUTED, SECOND, Plot, Table, number, percent_tick
from tlf.runtime.text import printable
from tlf.tasks import DEFAULT, TASKS
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from tlf.metrics.paired import Difference

METRIC = TASKS[DEFAULT].metrics[0]
"""What candidates are judged by, where each image has one label."""

DECIMALS = 1
"""Of a percentage, in every study: a tenth of a point is less than what studies can tell."""
_LONGEST = 28
"""Characters of a name beside a plot."""


@dataclass(frozen=True)
class Row:
    """A candidate of a study."""

    name: str
    accuracy: Figure
    each: tuple[float, ...] = ()
    """The accuracy of each of its seeds or folds, where they are shown."""


def accuracy_of(found: "Difference") -> Figure:
    """The accuracy of a candidate, of its difference from one that is never right.

    Where all images are classified correctly, or none is, nothing varies. The limit is then that of
    Clopper and Pearson (1934) for so many images, or groups of them where these are known. Too few
    groups say nothing about others: the interval is from 0 to 1.
    """
    if found.groups is not None and found.groups < FEWEST:
        return Figure(found.value, 0.0, 1.0)
    doubt = 1 - ((1 - LEVEL) / 2) ** (1 / (found.groups or found.images))
    low = 1 - doubt if found.value == 1 else max(0.0, found.low)
    high = doubt if found.value == 0 else found.high
    return Figure(found.value, low, high)


def percent(rate: float | None) -> str:
    """A rate.

    >>> percent(0.9477), percent(None)
    ('94.8%', '–')
    """
    return number(rate, f".{DECIMALS}%")


def figure_text(figure: float | None, metric: Metric) -> str:
    """A figure of a metric, in a study: rates with one decimal, as all of its accuracies.

    >>> from tlf.tasks.metric import LOSS
    >>> figure_text(0.9477, METRIC), figure_text(0.25, LOSS)
    ('94.8%', '0.2500')
    """
    return percent(figure) if metric.is_rate else number(figure, ".4f")


def heading(metric: Metric = METRIC) -> str:
    """What stands above ``columns``."""
    return f"{metric.title:>7}   {'95 % interval':14}"


def columns(figure: Figure) -> str:
    """An accuracy and its interval, in a table of the terminal.

    >>> columns(Figure(0.5, 0.25, 0.75))
    '  50.0%    25.0%–75.0%  '
    """
    return f"{percent(figure.value):>7}   {percent(figure.low):>6}–{percent(figure.high):7}"


def texts(figure: Figure) -> tuple[str, str, str]:
    """The value and the limits of an accuracy."""
    return percent(figure.value), percent(figure.low), percent(figure.high)


def limits(figure: Figure) -> tuple[float, float, float]:
    """The value and the limits as numbers, which every accuracy of a study has."""
    return figure.value or 0.0, figure.low or 0.0, figure.high or 0.0


def short(name: str) -> str:
    """A name as it stands beside a plot."""
    text = printable(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def rows_plot(
    kind: str, title: str, rows: Sequence[Row], unit: str = "seed", metric: Metric = METRIC
) -> Plot:
    """The accuracy of each candidate with its interval, the best at the top.

    Parameters:
        kind: what the candidates are: ``backbone``.
        title: of the plot.
        rows: the candidates, the best first.
        unit: what each of several accuracies is of.
        metric: what they are.
    """
    best = rows[0]
    return Plot(
        f"{kind}s",
        title,
        f"{len(rows)} {kind}s; the first is {printable(best.name)} with "
        f"{percent(best.accuracy.value)}.",
        lambda drawing: _draw(drawing, rows, unit, metric),
        Table(
            (kind, metric.title, "from", "to"),
            tuple((printable(row.name), *texts(row.accuracy)) for row in rows),
        ),
        height=1.0 + 0.35 * len(rows),
    )


def _draw(drawing: "Drawing", rows: Sequence[Row], unit: str, metric: Metric) -> None:
    axes: Axes = drawing.subplots()
    places = [*range(len(rows))]
    for place, row in zip(places, rows, strict=True):
        value, low, high = limits(row.accuracy)
        axes.plot([low, high], [place, place], color=MUTED, linewidth=2)
        axes.plot(row.each, [place + 0.22] * len(row.each), "|", color=SECOND, markersize=5)
        axes.plot([value], [place], marker="o", color=FIRST)
    axes.set_yticks(places, [short(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(percent_tick)
    seeds = f"\nstrokes: each {unit}" if any(row.each for row in rows) else ""
    axes.set_xlabel(f"{metric.title}, with 95 % intervals{seeds}")
