"""The plots of a study of backbones: each backbone's accuracy, and that of each of its stages."""

from typing import TYPE_CHECKING

from tlf.reports.plots.plot import FIRST, MUTED, Plot, Table, percent_tick
from tlf.runtime.text import printable
from tlf.studies.accuracy import METRIC, Row, limits, percent, rows_plot, short, texts
from tlf.studies.probe.probed import Probed, ProbedBackbone
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from tlf.metrics.figures import Figure


def backbone_plot(probed: Probed) -> Plot:
    """The accuracy of each backbone with its interval, the best at the top."""
    rows = [Row(one.name, one.accuracy["logistic"]) for one in probed.backbones]
    return rows_plot(
        "backbone", f"{probed.metric.at_start} of a logistic probe", rows, metric=probed.metric
    )


def stage_plot(one: ProbedBackbone, position: int, metric: Metric = METRIC) -> Plot:
    """The accuracy of the output of each stage, from the first to the last."""
    figures = [(stage.stage, stage.accuracy) for stage in one.stages]
    return Plot(
        f"stages-{position}",
        printable(one.name),
        f"{metric.at_start} of a logistic probe of the output of {len(figures)} stages: "
        f"from {percent(figures[0][1].value)} after {printable(figures[0][0])} to "
        f"{percent(figures[-1][1].value)} after {printable(figures[-1][0])}.",
        lambda drawing: _draw_curve(drawing, figures, metric),
        Table(
            ("stage", metric.title, "from", "to"),
            tuple((printable(name), *texts(figure)) for name, figure in figures),
        ),
    )


def _draw_curve(drawing: "Drawing", figures: "list[tuple[str, Figure]]", metric: Metric) -> None:
    axes: Axes = drawing.subplots()
    places = [*range(len(figures))]
    values = [limits(figure) for _, figure in figures]
    axes.plot(places, [value for value, _, _ in values], color=FIRST, marker="o", markersize=4)
    for place, (_, low, high) in zip(places, values, strict=True):
        axes.plot([place, place], [low, high], color=MUTED, linewidth=1.5, zorder=0)
    turned = 90 if len(figures) > 6 else 0
    axes.set_xticks(places, [short(name) for name, _ in figures], rotation=turned)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylabel(metric.title)
