"""Learning curves: the loss and the metrics of every epoch of a run."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING

from tlf.events import SegmentStarted
from tlf.reports.plots.plot import (
    FIRST,
    INK,
    LINES,
    SECOND,
    TRAINS,
    Plot,
    Table,
    drawable,
    every_nth,
    number,
    percent_tick,
)
from tlf.results import EpochResult, measured
from tlf.runtime.text import printable
from tlf.tasks.metric import LOSS, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 1000
"""A line has so many points at most: of more, the lowest and the highest ones of each stretch."""

_MOST_NAMES = 12
"""Phases of so few have their names above the curves."""


def curve_plots(
    history: Sequence[EpochResult], segments: Sequence[SegmentStarted], best: EpochResult | None
) -> Iterator[Plot]:
    """The loss, the loss on a logarithmic scale, and each metric; none without an epoch.

    Parameters:
        history: the run's epochs.
        segments: its segments; empty where they are not known.
        best: the best epoch.
    """
    if not history:
        return
    curves = _Curves(history, segments, best)
    yield curves.plot("loss", LOSS)
    if any(v is not None and drawable(v) and v > 0 for v in curves.of(LOSS, "eval")):
        yield curves.plot("loss-log", LOSS, log=True)
    for metric in measured(history):
        yield curves.plot(metric.name, metric)


def thaws(history: Sequence[EpochResult], segments: Sequence[SegmentStarted]) -> dict[int, int]:
    """Number of an epoch in the run, from 0 → how many more tensors train from there on, where some
    do that did not train before.
    """
    places = {(one.phase, one.epoch): n for n, one in reversed([*enumerate(history)])}
    found, before = {}, None
    for segment in segments:
        now = segment.rates.keys()
        place = places.get((segment.phase, segment.epoch))
        if before is not None and place is not None and (thawed := now - before):
            found[place] = len(thawed)
        before = now
    return found


def phase_starts(history: Sequence[EpochResult]) -> list[tuple[int, str]]:
    """Where phases begin: the number of the epoch in the run, from 0, and the phase's name."""
    return [
        (n, one.phase)
        for n, one in enumerate(history)
        if n == 0 or one.phase != history[n - 1].phase
    ]


def extremes(values: Sequence[float], most: int = MOST_POINTS) -> list[int]:
    """The positions of at most so many values that keep a line's shape: the lowest and the highest
    of each stretch, the first and the last of all.

    >>> extremes([1, 5, 2, 3, 0, 4], 4)
    [0, 1, 4, 5]
    """
    if len(values) <= most:
        return [*range(len(values))]
    step = ceil(2 * len(values) / (most - 2)) if most > 4 else len(values)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), step):
        stretch = range(start, min(start + step, len(values)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(kept)


class _Curves:
    """The curves of one run."""

    def __init__(
        self,
        history: Sequence[EpochResult],
        segments: Sequence[SegmentStarted],
        best: EpochResult | None,
    ) -> None:
        self.history, self.best = history, best
        self.thaws = thaws(history, segments)
        self.starts = phase_starts(history)

    def of(self, metric: Metric, split: str) -> list[float | None]:
        """A figure of every epoch; None where it was not measured."""
        if split == "eval":
            return [one.metrics.get(metric.name) for one in self.history]
        if metric == LOSS:
            return [one.train_loss for one in self.history]
        return [one.train_metrics.get(metric.name) for one in self.history]

    def plot(self, name: str, metric: Metric, *, log: bool = False) -> Plot:
        """The plot of one figure."""
        last = self.history[-1]
        figures = {split: self.of(metric, split) for split in ("train", "eval")}
        shown = ", ".join(
            f"{split} {self._shown(metric, values[-1])}" for split, values in figures.items()
        )
        phases = ", ".join(printable(phase) for _, phase in self.starts)
        first = metric.title[:1] if metric.title[1:2].isupper() else metric.title[:1].upper()  # mAP
        title = f"{first}{metric.title[1:]} by epoch"
        return Plot(
            f"curve-{name}",
            f"{title}{', logarithmic scale' if log else ''}",
            f"{len(self.history):,} epochs; phases: {phases}. "
            f"After the last epoch ({printable(last.phase)} {last.epoch + 1}): {shown}.",
            lambda figure: self._draw(figure, metric, figures, log=log),
            self._table(metric, figures),
        )

    def _table(self, metric: Metric, figures: dict[str, list[float | None]]) -> Table:
        rows = [
            (
                f"{one.phase} {one.epoch + 1}{' (best)' if self._is_best(one) else ''}",
                *(self._shown(metric, values[n]) for values in figures.values()),
                "" if n not in self.thaws else f"{self.thaws[n]:,} more tensors train",
            )
            for n, one in enumerate(self.history)
        ]
        best = [n for n, one in enumerate(self.history) if self._is_best(one)]
        kept, step = every_nth(rows, best)
        left_out = "metrics.jsonl in the run's folder has all epochs"
        note = "" if step == 1 else f"one of {step} epochs; {left_out}"
        columns = ("epoch", f"train {metric.title}", f"eval {metric.title}", "thaws")
        return Table(columns, kept, note)

    def _is_best(self, one: EpochResult) -> bool:
        best = self.best
        return best is not None and (one.phase, one.epoch) == (best.phase, best.epoch)

    def _shown(self, metric: Metric, value: float | None) -> str:
        return number(value, ".2%" if metric.is_rate else ".4g")

    def _draw(
        self,
        figure: "Figure",
        metric: Metric,
        figures: dict[str, list[float | None]],
        *,
        log: bool,
    ) -> None:
        axes: Axes = figure.subplots()
        styles = {"train": (FIRST, "--", "o"), "eval": (SECOND, "-", "s")}
        for split, values in figures.items():
            known = [(n + 1, v) for n, v in enumerate(values) if v is not None]
            if not known:
                continue
            finite = [v if drawable(v) else 0.0 for _, v in known]
            points = [known[n] for n in extremes(finite)]
            colour, line, marker = styles[split]
            axes.plot(
                *zip(*((x, v if drawable(v) else float("nan")) for x, v in points), strict=True),
                color=colour, linestyle=line, label=split,
                marker=marker if len(known) <= 60 else None, markersize=4,
            )  # fmt: skip
        if log:
            _logarithmic(axes)
        self._marks(axes, figures["eval"])
        _whole_numbers(axes, len(self.history))
        axes.set_ylabel(metric.title)
        if metric.is_rate:
            axes.yaxis.set_major_formatter(percent_tick)
        figure.legend(loc="outside upper center", ncols=4, handlelength=2.2)

    def _marks(self, axes: "Axes", values: Sequence[float | None]) -> None:
        """Mark where phases begin, where something thaws, and the best epoch."""
        across = axes.get_xaxis_transform()
        named = len(self.starts) <= _MOST_NAMES
        for start, phase in self.starts:
            if start:
                axes.axvline(start + 0.5, color=LINES, linewidth=1, zorder=0)
            if named and len(self.starts) > 1:
                name = printable(phase)
                name = f"{name[:15]}…" if len(name) > 16 else name
                axes.text(
                    start + 0.6, 1.0, name, transform=across, size=8, color=INK,
                    rotation="vertical" if len(self.starts) > 3 else "horizontal",
                    ha="left", va="top", clip_on=True,
                )  # fmt: skip
        if self.thaws:
            axes.plot(
                [n + 1 for n in self.thaws], [0.0] * len(self.thaws), transform=across,
                marker="^", linestyle="", color=TRAINS, label="thaw", clip_on=False,
            )  # fmt: skip
        for n, one in enumerate(self.history):
            value = values[n]
            if self._is_best(one) and value is not None and drawable(value):
                axes.plot(
                    [n + 1], [value], marker="o", markersize=10, linestyle="",
                    markerfacecolor="none", markeredgecolor=INK, label="best epoch",
                )  # fmt: skip
                break


def _logarithmic(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _whole_numbers(axes: "Axes", epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.5, epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch of the run")
