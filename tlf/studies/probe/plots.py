"""The plots of a study of backbones: each backbone's accuracy, and that of each of its stages."""

from typing import TYPE_CHECKING

from tlf.metrics.figures import Figure
from tlf.reports.plots.plot import FIRST, MUTED, Plot, Table, number
from tlf.runtime.text import printable
from tlf.studies.probe.probed import Probed, ProbedBackbone
from tlf.studies.probe.summary import METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_LONGEST = 28
"""Characters of a name beside a plot."""


def backbone_plot(probed: Probed) -> Plot:
    """The accuracy of each backbone with its interval, the best at the top."""
    figures = [(one.name, one.accuracy["logistic"]) for one in probed.backbones]
    best = probed.backbones[0]
    return Plot(
        "backbones",
        f"{METRIC.title.capitalize()} of a logistic probe",
        f"{len(figures)} backbones; the first is {printable(best.name)} with "
        f"{number(best.accuracy['logistic'].value, '.1%')}.",
        lambda drawing: _draw_rows(drawing, figures),
        Table(
            ("backbone", METRIC.title, "from", "to"),
            tuple((printable(name), *_texts(figure)) for name, figure in figures),
        ),
        height=0.9 + 0.35 * len(figures),
    )


def stage_plot(one: ProbedBackbone, position: int) -> Plot:
    """The accuracy of the output of each stage, from the first to the last."""
    figures = [(stage.stage, stage.accuracy) for stage in one.stages]
    return Plot(
        f"stages-{position}",
        printable(one.name),
        f"{METRIC.title.capitalize()} of a logistic probe of the output of {len(figures)} stages: "
        f"from {number(figures[0][1].value, '.1%')} after {printable(figures[0][0])} to "
        f"{number(figures[-1][1].value, '.1%')} after {printable(figures[-1][0])}.",
        lambda drawing: _draw_curve(drawing, figures),
        Table(
            ("stage", METRIC.title, "from", "to"),
            tuple((printable(name), *_texts(figure)) for name, figure in figures),
        ),
    )


def _numbers(figure: Figure) -> tuple[float, float, float]:
    """The value and the limits, which every accuracy of a probe has."""
    return figure.value or 0.0, figure.low or 0.0, figure.high or 0.0


def _texts(figure: Figure) -> tuple[str, str, str]:
    value, low, high = (number(v, ".1%") for v in _numbers(figure))
    return value, low, high


def _draw_rows(drawing: "Drawing", figures: "list[tuple[str, Figure]]") -> None:
    axes: Axes = drawing.subplots()
    places = [*range(len(figures))]
    for place, (_, figure) in zip(places, figures, strict=True):
        value, low, high = _numbers(figure)
        axes.plot([low, high], [place, place], color=MUTED, linewidth=2)
        axes.plot([value], [place], marker="o", color=FIRST)
    axes.set_yticks(places, [_short(name) for name, _ in figures])
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel(f"{METRIC.title}, with 95 % intervals")


def _draw_curve(drawing: "Drawing", figures: "list[tuple[str, Figure]]") -> None:
    axes: Axes = drawing.subplots()
    places = [*range(len(figures))]
    values = [_numbers(figure) for _, figure in figures]
    axes.plot(places, [value for value, _, _ in values], color=FIRST, marker="o", markersize=4)
    for place, (_, low, high) in zip(places, values, strict=True):
        axes.plot([place, place], [low, high], color=MUTED, linewidth=1.5, zorder=0)
    turned = 90 if len(figures) > 6 else 0
    axes.set_xticks(places, [_short(name) for name, _ in figures], rotation=turned)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel(METRIC.title)


def _short(name: str) -> str:
    text = printable(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
