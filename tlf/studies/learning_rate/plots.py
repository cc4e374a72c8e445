"""The plots of learning rates: accuracy by rate, or the loss of a range test."""

from typing import TYPE_CHECKING

from tlf.reports.plots.plot import FIRST, MUTED, SECOND, Plot, Table, every_nth
from tlf.runtime.text import printable
from tlf.studies.accuracy import METRIC, limits, percent, texts
from tlf.studies.learning_rate.found import HeadRates, RangeTest
from tlf.studies.learning_rate.summary import marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing


def heads_plot(found: HeadRates, position: int) -> Plot:
    """The accuracy at each rate with its interval."""
    low, high = found.alike
    best = next(one for one in found.rates if one.rate == found.best)
    return Plot(
        f"rates-{position}",
        f"{METRIC.title.capitalize()} of held-out train images",
        f"{len(found.rates)} rates from {found.rates[0].rate:g} to {found.rates[-1].rate:g}; the "
        f"best is {found.best:g} with {percent(best.accuracy.value if best.accuracy else None)}. "
        f"Rates from {low:g} to {high:g} are not distinguishable. The recipe has {found.own:g}.",
        lambda drawing: _draw_heads(drawing, found),
        Table(
            ("rate", METRIC.title, "from", "to", "mark"),
            tuple(
                (f"{one.rate:g}", *texts(one.accuracy), ", ".join(marks_of(one, found)))
                for one in found.rates
                if one.accuracy is not None
            ),
        ),
    )


def _draw_heads(drawing: "Drawing", found: HeadRates) -> None:
    axes: Axes = drawing.subplots()
    measured = [(one.rate, one.accuracy, one.of_seeds) for one in found.rates]
    drawn = [(rate, *limits(figure), seeds) for rate, figure, seeds in measured if figure]
    axes.set_xscale("log")
    axes.axvspan(*found.alike, color=MUTED, alpha=0.15, linewidth=0)
    axes.plot([row[0] for row in drawn], [row[1] for row in drawn], color=FIRST, marker="o",
              markersize=4)  # fmt: skip
    for rate, _, low, high, seeds in drawn:
        axes.plot([rate, rate], [low, high], color=MUTED, linewidth=1.5, zorder=0)
        axes.plot([rate] * len(seeds), seeds, "_", color=SECOND, markersize=6)
    _mark(axes, found.own, "recipe")
    _mark(axes, found.best, "best")
    axes.set_ylim(min(row[2] for row in drawn) - 0.05, 1.1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel(METRIC.title)
    axes.set_xlabel(
        "learning rate\nbars: 95 % intervals; strokes: each seed; grey: not distinguishable"
    )


def _mark(axes: "Axes", rate: float, text: str) -> None:
    """A line at a rate, with a word above the plot."""
    axes.axvline(rate, color=MUTED, linewidth=1, linestyle="--" if text == "recipe" else ":")
    axes.annotate(
        text, (rate, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9
    )


def range_plot(found: RangeTest, position: int) -> Plot:
    """The loss of each step."""
    rows = [
        (f"{rate:.2e}", f"{loss:.4g}", f"{smoothed:.4g}")
        for rate, loss, smoothed in zip(found.rates, found.losses, found.smoothed, strict=True)
    ]
    kept, step = every_nth(rows)
    told = "no suggestion" if found.suggestion is None else f"suggestion {found.suggestion:g}"
    return Plot(
        f"range-{position}",
        f"Loss of {printable(found.phase)} while its rate rises",
        f"{len(rows)} steps from {found.rates[0]:.1e} to {found.rates[-1]:.1e}; smoothed, the loss "
        f"goes from {found.smoothed[0]:.4g} to at least {min(found.smoothed):.4g}; {told}.",
        lambda drawing: _draw_test(drawing, found),
        Table(("rate", "loss", "smoothed"), kept, "" if step == 1 else f"each {step}th step"),
    )


def _draw_test(drawing: "Drawing", found: RangeTest) -> None:
    axes: Axes = drawing.subplots()
    axes.set_xscale("log")
    if found.valley is not None:
        axes.axvspan(*found.valley, color=MUTED, alpha=0.15, linewidth=0)
    axes.plot(found.rates, found.losses, ".", color=SECOND, markersize=3)
    axes.plot(found.rates, found.smoothed, color=FIRST)
    if found.rates[0] <= found.own <= found.rates[-1]:
        _mark(axes, found.own, "recipe")
    if found.suggestion is not None:
        _mark(axes, found.suggestion, "suggestion")
    axes.set_ylim(0, 1.05 * max(*found.smoothed, max(found.losses[:1])))
    axes.set_ylabel("loss")
    axes.set_xlabel("learning rate\ndots: each step; line: smoothed; grey: the valley")
