"""The plots of a learning curve: all images, and each class."""

from typing import TYPE_CHECKING

from tlf.reports.plots.plot import (
    FIRST,
    INK,
    LINES,
    MUTED,
    SECOND,
    TRAINS,
    Plot,
    Table,
    percent_tick,
)
from tlf.runtime.text import printable
from tlf.studies.accuracy import limits, percent, short, texts
from tlf.studies.learning_curve.learning_curve import ClassCurve, LearningCurve, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_CLASSES = 6
"""So many classes have a line: those that gain most."""
_STYLES = (
    (FIRST, "-", "o"),
    (SECOND, "--", "s"),
    (TRAINS, "-.", "^"),
    (MUTED, ":", "D"),
    (INK, "-", "v"),
    (FIRST, "--", "x"),
)


def curve_plot(found: LearningCurve) -> Plot:
    """The accuracy at each size, and the fan."""
    first, last = found.sizes[0], found.sizes[-1]
    rows = [(f"{one.images:,}", "measured", *texts(one.accuracy)) for one in found.sizes]
    rows += [
        (f"{images:,.0f}", "fan", "–", percent(spread.low), percent(spread.high))
        for images, spread in _fan(found)
    ]
    fan = "; the fan reaches to four times as many" if _fan(found) else ""
    return Plot(
        "curve",
        f"{found.metric.at_start} by number of train images",
        f"From {percent(first.accuracy.value)} with {first.images:,} train images to "
        f"{percent(last.accuracy.value)} with {last.images:,}{fan}.",
        lambda drawing: _draw(drawing, found),
        Table(("train images", "what", found.metric.title, "from", "to"), tuple(rows)),
        height=3.6,
    )


def class_plot(found: LearningCurve) -> Plot:
    """The figures of the classes that gain most."""
    shown, what = found.classes[:MOST_CLASSES], found.of_a_class
    return Plot(
        "classes",
        f"{what.capitalize()} by number of train images of the class",
        f"{len(shown)} of {len(found.classes)} classes; {printable(shown[0].name)} has the "
        f"largest measured gain: its {what} is {percent(shown[0].recalls[0])} at first and "
        f"{percent(shown[0].recalls[-1])} at last.",
        lambda drawing: _draw_classes(drawing, shown, what),
        Table(
            ("class", "its train images", what),
            tuple(
                (printable(one.name), f"{images:,}", percent(recall))
                for one in shown
                for images, recall in zip(one.trained_on, one.recalls, strict=True)
            ),
        ),
        height=3.6,
    )


def _fan(found: LearningCurve) -> tuple[tuple[float, Spread], ...]:
    """Images → accuracy, where the fan says something."""
    return found.fan.band if found.fan is not None and not found.fan.problem else ()


def _draw(drawing: "Drawing", found: LearningCurve) -> None:
    axes: Axes = drawing.subplots()
    if fan := _fan(found):
        images = [images for images, _ in fan]
        low, high = ([getattr(one, end) for _, one in fan] for end in ("low", "high"))
        axes.fill_between(images, low, high, color=LINES, alpha=0.5, linewidth=0)
        for values, label in ((low, "fan of power laws"), (high, None)):
            axes.plot(images, values, color=MUTED, linestyle="--", linewidth=1, label=label)
    sizes = [one.images for one in found.sizes]
    for one in found.sizes:
        _, low_end, high_end = limits(one.accuracy)
        axes.plot([one.images] * 2, [low_end, high_end], color=FIRST, linewidth=1.5)
    values = [limits(one.accuracy)[0] for one in found.sizes]
    axes.plot(sizes, values, color=FIRST, marker="o", markersize=4, label="measured")
    _scales(axes, found.metric.title)
    axes.set_xlabel("train images")
    drawing.legend(loc="outside upper center", ncols=2, handlelength=2.2)


def _draw_classes(drawing: "Drawing", shown: tuple[ClassCurve, ...], what: str) -> None:
    axes: Axes = drawing.subplots()
    for one, (colour, line, marker) in zip(shown, _STYLES, strict=False):
        axes.plot(
            one.trained_on, one.recalls, color=colour, linestyle=line, marker=marker, markersize=4,
            label=short(one.name),
        )  # fmt: skip
    _scales(axes, what)
    axes.set_xlabel("train images of the class")
    drawing.legend(loc="outside upper center", ncols=3, handlelength=2.2)


def _scales(axes: "Axes", title: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylabel(title)
