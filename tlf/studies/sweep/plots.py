"""The plots of a sweep: the trials in their order, and each key against the figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlf.reports.plots.plot import (
    FIRST,
    INK,
    MUTED,
    SECOND,
    Plot,
    Table,
    every_nth,
    percent_tick,
)
from tlf.runtime.text import printable
from tlf.studies.accuracy import figure_text, short
from tlf.studies.sweep.ranges import Choices, Range, Varied
from tlf.studies.sweep.summary import ENDS, shown
from tlf.studies.sweep.swept import COMPLETE, Swept, Trial, ranked
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_MARKERS = {
    True: ("o", FIRST, "to the end"),
    False: ("x", SECOND, "ended early, best epoch so far"),
}


def history_plot(swept: Swept) -> Plot:
    """The figure of each trial, and the best one so far."""
    with_figures = [one for one in swept.trials if one.best is not None]
    best = swept.ranked[0]
    metric = swept.metric
    so_far = [_best_so_far(swept, one) for one in with_figures]
    rows = [
        (str(one.number), _figure(one, metric), ENDS[one.state], figure_text(value, metric))
        for one, value in zip(with_figures, so_far, strict=True)
    ]
    kept, step = every_nth(rows)
    return Plot(
        "history",
        f"{metric.title.capitalize()} of each trial",
        f"{len(with_figures)} trials; the best is trial {best.number}, {_figure(best, metric)}.",
        lambda drawing: _draw_history(drawing, with_figures, so_far, metric),
        Table(
            ("trial", metric.title, "it was trained", "best so far"),
            kept,
            "" if step == 1 else f"every {step}th trial",
        ),
    )


def _figure(one: Trial, metric: Metric) -> str:
    return figure_text(None if one.best is None else one.best.figure, metric)


def _best_so_far(swept: Swept, until: Trial) -> float | None:
    found = ranked(swept.trials[: until.number + 1], swept.metric, by_loss=swept.one_loss)
    return found[0].best.figure if found and found[0].best else None


def _draw_history(
    drawing: "Drawing", trials: Sequence[Trial], so_far: Sequence[float | None], metric: Metric
) -> None:
    axes: Axes = drawing.subplots()
    line = [
        (one.number, best) for one, best in zip(trials, so_far, strict=True) if best is not None
    ]
    axes.step(
        *zip(*line, strict=True), where="post", color=MUTED, linewidth=1.5, label="best so far"
    )
    _points(axes, [(one.number, one) for one in trials])
    _label(axes, metric)
    axes.set_xlabel("trial")
    drawing.legend(loc="outside upper center", ncols=3, fontsize=8, columnspacing=1.2)


def _points(axes: "Axes", placed: "Sequence[tuple[float, Trial]]") -> None:
    for complete, (marker, colour, label) in _MARKERS.items():
        points = [
            (place, one.best.figure)
            for place, one in placed
            if one.best is not None and (one.state == COMPLETE) == complete
        ]
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, marker, color=colour, markersize=4, linestyle="none", label=label)


def _label(axes: "Axes", metric: Metric) -> None:
    if metric.is_rate:
        axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylabel(metric.title)


def key_plot(swept: Swept, position: int) -> Plot:
    """The figure of each trial against what it sets for a key."""
    one, metric, best = swept.varied[position], swept.metric, swept.ranked[0]
    placed = [(_place(one, trial), trial) for trial in swept.trials if trial.best is not None]
    placed.sort(key=lambda pair: pair[0])
    kept, step = every_nth(
        [
            (shown(trial.values[one.key]), _figure(trial, metric), str(trial.number))
            for _, trial in placed
        ]
    )
    return Plot(
        f"key-{position}",
        printable(one.key),
        f"{metric.title.capitalize()} of {len(placed)} trials against {printable(one.key)}; the "
        f"best trial, with {_figure(best, metric)}, sets {shown(best.values[one.key])}.",
        lambda drawing: _draw_key(drawing, one, placed, metric),
        Table(
            (printable(one.key), metric.title, "trial"),
            kept,
            "" if step == 1 else f"every {step}th value",
        ),
    )


def _place(one: Varied, trial: Trial) -> float:
    """Where a trial stands on the axis of a key."""
    value = trial.values[one.key]
    return float(value) if isinstance(one, Range) else one.values.index(str(value))


def _draw_key(
    drawing: "Drawing", one: Varied, placed: "Sequence[tuple[float, Trial]]", metric: Metric
) -> None:
    axes: Axes = drawing.subplots()
    _points(axes, placed)
    _label(axes, metric)
    axes.set_xlabel(printable(one.key), color=INK)
    if isinstance(one, Choices):
        axes.set_xticks(range(len(one.values)), [short(value) for value in one.values])
        axes.set_xlim(-0.5, len(one.values) - 0.5)
    elif one.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
