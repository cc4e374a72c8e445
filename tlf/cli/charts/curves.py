"""The learning curves of a run in a terminal: the loss and the metrics, phase after phase."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from tlf.cli.charts.canvas import Canvas, Characters
from tlf.events import SegmentStarted
from tlf.reports.plots.curves import phase_starts, thaws
from tlf.reports.plots.plot import drawable
from tlf.results import EpochResult, measured
from tlf.tasks.metric import LOSS, Metric

ROWS = 10
"""The height of a chart in lines."""

NARROWEST = 40
"""Columns of a chart, at least: a narrower terminal wraps it."""

Figures = Sequence[float | None]
"""A figure of every epoch; None where it was not measured."""


def curve_lines(
    epochs: Sequence[EpochResult],
    segments: Sequence[SegmentStarted],
    best: EpochResult | None,
    width: int,
    characters: Characters,
) -> Iterator[str]:
    """A chart of the loss, and one of each metric. Where there are more epochs than columns of
    dots, those of a column are shown by their mean.

    Parameters:
        epochs: the run's epochs.
        segments: its segments; empty where they are not known.
        best: the best epoch; None: it is not marked.
        width: of the terminal, in columns.
        characters: what it can show.
    """
    for number, metric in enumerate([LOSS, *measured(epochs)]):
        if number:
            yield ""
        figures = {
            "eval": [one.metrics.get(metric.name) for one in epochs],
            "train": [
                one.train_loss if metric == LOSS else one.train_metrics.get(metric.name)
                for one in epochs
            ],
        }
        marks = _marks(epochs, segments, best, characters)
        yield from _chart(epochs, marks, metric, figures, max(width, NARROWEST), characters)
    yield from _legend(epochs, segments, characters)


def _marks(
    epochs: Sequence[EpochResult],
    segments: Sequence[SegmentStarted],
    best: EpochResult | None,
    characters: Characters,
) -> dict[int, str]:
    """Number of an epoch → its mark on the axis; the best epoch's is the most important one."""
    return {
        **{number: characters.start for number, _ in phase_starts(epochs)},
        **dict.fromkeys(thaws(epochs, segments), characters.thaw),
        **{number: characters.best for number, one in enumerate(epochs) if one == best},
    }


def _chart(
    epochs: Sequence[EpochResult],
    marks: Mapping[int, str],
    metric: Metric,
    figures: Mapping[str, Figures],
    width: int,
    characters: Characters,
) -> Iterator[str]:
    finite = [v for values in figures.values() for v in values if v is not None and drawable(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        low, high = low - max(0.01, abs(low) / 10), high + max(0.01, abs(high) / 10)
    labels = {0: metric.shown(high), ROWS // 2: metric.shown((high + low) / 2),
              ROWS - 1: metric.shown(low)}  # fmt: skip
    margin = max(map(len, labels.values()))
    canvas = Canvas(width - margin - 2, ROWS, characters)
    columns = _columns(len(epochs), canvas)
    for name, values in figures.items():
        _draw(canvas, values, (low, high), columns, dotted=name == "train")
    yield _title(metric, figures, characters)
    for row, line in enumerate(canvas.lines()):
        yield f"{labels.get(row, ''):>{margin}} {characters.vertical}{line}".rstrip()
    yield from _axis(epochs, marks, columns, canvas, margin)


def _legend(
    epochs: Sequence[EpochResult], segments: Sequence[SegmentStarted], characters: Characters
) -> Iterator[str]:
    """What the signs on the axis mean, where there is more than the first."""
    if len(phase_starts(epochs)) > 1:
        yield f"{characters.start} a phase begins"
    if thaws(epochs, segments):
        yield f"{characters.thaw} more tensors train than before"


def _title(metric: Metric, figures: Mapping[str, Figures], characters: Characters) -> str:
    signs = {"eval": "line", "train": "dots"} if characters.dots != (1, 1) else MARKS
    parts = []
    for name, values in figures.items():
        known = [v for v in values if v is not None]
        endless = sum(not drawable(v) for v in known)
        last = metric.shown(known[-1]) if known else "–"
        gap = f", {endless} not finite" if endless else ""
        parts.append(f"{name} {last} ({signs[name]}{gap})")
    return f"{metric.title}: {', '.join(parts)}"


MARKS = {"eval": "*", "train": "."}
"""Split → its mark in ASCII."""


def _columns(epochs: int, canvas: Canvas) -> list[int]:
    """Epoch → its column of dots."""
    return [round((n + 0.5) * canvas.width / epochs - 0.5) for n in range(epochs)]


def _draw(
    canvas: Canvas,
    values: Figures,
    limits: tuple[float, float],
    columns: Sequence[int],
    *,
    dotted: bool,
) -> None:
    low, high = limits
    mark, before = MARKS["train" if dotted else "eval"], None
    for x, stretch in groupby(zip(columns, values, strict=True), key=itemgetter(0)):
        finite = [v for _, v in stretch if v is not None and drawable(v)]
        if not finite:
            before = None
            continue
        value = sum(finite) / len(finite)
        y = round((high - value) / (high - low) * (canvas.height - 1))
        canvas.line(before or (x, y), (x, y), mark, dotted=dotted)
        before = (x, y)


def _axis(
    epochs: Sequence[EpochResult],
    marks: Mapping[int, str],
    columns: Sequence[int],
    canvas: Canvas,
    margin: int,
) -> Iterator[str]:
    """The axis with its marks, the names of the phases, and how many epochs there are."""
    characters = canvas.characters
    axis = [characters.horizontal] * canvas.columns
    names = [" "] * canvas.columns
    starts = phase_starts(epochs)
    places = [columns[n] // characters.dots[0] for n, _ in starts]
    for (_, phase), place, end in zip(
        starts, places, [*places[1:], canvas.columns + 1], strict=True
    ):
        shown = phase[: max(0, end - place - 1)]
        names[place : place + len(shown)] = shown
    for number, mark in marks.items():
        axis[columns[number] // characters.dots[0]] = mark
    count = f" {len(epochs):,} epoch{'' if len(epochs) == 1 else 's'}"
    if not "".join(names[-len(count) :]).strip():
        names[-len(count) :] = count
    yield f"{'':>{margin}} {characters.corner}{''.join(axis)}"
    yield f"{'':>{margin}}  {''.join(names)}".rstrip()
