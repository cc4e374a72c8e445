"""The plots of learning rates: accuracy by rate, or the loss of a range test."""

from math import ceil, floor, log10
from typing import TYPE_CHECKING

from tlf.reports.plots.plot import FIRST, MUTED, SECOND, Plot, Table, every_nth, percent_tick
from tlf.runtime.text import printable
from tlf.studies.accuracy import limits, percent, texts
from tlf.studies.learning_rate.found import HeadRates, RangeTest
from tlf.studies.learning_rate.summary import marks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_TICKS = 6
"""Numbers of a scale, at most."""


def heads_plot(found: HeadRates, position: int) -> Plot:
    """The accuracy at each rate with its interval."""
    low, high = found.alike
    best = next(one for one in found.rates if one.rate == found.best)
    return Plot(
        f"rates-{position}",
        f"{found.metric.at_start} of held-out train images",
        f"{len(found.rates)} rates from {found.rates[0].rate:g} to {found.rates[-1].rate:g}; the "
        f"best is {found.best:g} with {percent(best.accuracy.value if best.accuracy else None)}. "
        f"Rates from {low:g} to {high:g} are not distinguishable. The recipe has {found.own:g}.",
        lambda drawing: _draw_heads(drawing, found),
        Table(
            ("rate", found.metric.title, "from", "to", "mark"),
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
    _log_scale(axes, found.rates[0].rate, found.rates[-1].rate)
    axes.axvspan(*found.alike, color=MUTED, alpha=0.15, linewidth=0)
    axes.plot([row[0] for row in drawn], [row[1] for row in drawn], color=FIRST, marker="o",
              markersize=4)  # fmt: skip
    for rate, _, low, high, seeds in drawn:
        axes.plot([rate, rate], [low, high], color=MUTED, linewidth=1.5, zorder=0)
        axes.plot([rate] * len(seeds), seeds, "_", color=SECOND, markersize=6)
    _mark(axes, found.own, found.suggestion)
    axes.set_ylim(min(row[2] for row in drawn) - 0.05, 1.1)
    axes.yaxis.set_major_formatter(percent_tick)
    axes.set_ylabel(found.metric.title)
    axes.set_xlabel(
        "learning rate\nbars: 95 % intervals; strokes: each seed\ngrey: not distinguishable"
    )


def _mark(axes: "Axes", own: float, suggestion: float | None) -> None:
    """Lines at the recipe's rate and at the suggestion, with words above the plot."""
    marks = {own: ("recipe", "--", 1.08)}
    if suggestion is not None:
        marks[suggestion] = ("suggested" if suggestion != own else "recipe, suggested", ":", 1.0)
    for rate, (text, style, height) in marks.items():
        axes.axvline(rate, color=MUTED, linewidth=1, linestyle=style)
        axes.annotate(
            text, (rate, height), xycoords=("data", "axes fraction"), ha="center", va="bottom",
            fontsize=9,
        )  # fmt: skip


def _log_scale(axes: "Axes", low: float, high: float) -> None:
    """A scale of rates, with numbers at some powers of ten; where there are few, at its ends."""
    axes.set_xscale("log")
    powers = [*range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)]
    ticks = [10.0**power for power in powers[:: 1 + len(powers) // _TICKS]]
    if len(ticks) < 2:
        ticks = [low, high]
    axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.set_xticks([], minor=True)


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
    _log_scale(axes, found.rates[0], found.rates[-1])
    if found.valley is not None:
        axes.axvspan(*found.valley, color=MUTED, alpha=0.15, linewidth=0)
    axes.plot(found.rates, found.losses, ".", color=SECOND, markersize=3)
    axes.plot(found.rates, found.smoothed, color=FIRST)
    _mark(axes, found.own, found.suggestion)
    axes.set_xlim(found.rates[0] / 2, max(found.rates[-1], found.own) * 2)
    axes.set_ylim(0, 1.05 * max(*found.smoothed, max(found.losses[:1])))
    axes.set_ylabel("loss")
    axes.set_xlabel("learning rate\ndots: each step; line: smoothed; grey: the valley")
