"""The confusion matrix for papers. A page shows it as a table of buttons."""

from math import ceil
from typing import TYPE_CHECKING

from tlf.metrics.figures import Evaluation
from tlf.reports.plots.plot import INK, Plot, Table
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 30
"""So many classes have their names and counts in the plot; of more, only shades are seen."""


MOST_CELLS = 500
"""So many cells has a side of the matrix at most."""


def confusion_plot(evaluation: Evaluation) -> Plot:
    """How many images of each class are predicted to be of each class."""
    names = tuple(map(printable, evaluation.classes))
    right = int(evaluation.confusion.trace())
    return Plot(
        "confusion",
        "Confusion matrix",
        f"{right:,} of {evaluation.images:,} images are on the diagonal: they are predicted as "
        "their label says. Rows are labels, columns are predictions.",
        lambda figure: _draw(figure, evaluation, names),
        _table(evaluation, names),
        height=min(12.0, max(3.6, 1.6 + 0.36 * len(names))),
    )


def _table(evaluation: Evaluation, names: tuple[str, ...]) -> Table:
    if len(names) > MOST_NAMED:
        return Table((), (), f"{len(names):,} classes are too many")
    rows = tuple(
        (name, *(f"{count:,}" for count in counts))
        for name, counts in zip(names, evaluation.confusion.tolist(), strict=True)
    )
    return Table(("label", *names), rows)


def _draw(figure: "Figure", evaluation: Evaluation, names: tuple[str, ...]) -> None:
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    counts, size = evaluation.confusion, len(names)
    if size > MOST_CELLS:  # neighbours share a cell
        starts = range(0, size, ceil(size / MOST_CELLS))
        counts = np.add.reduceat(np.add.reduceat(counts, starts, 0), starts, 1)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    axes = figure.subplots()
    few = size <= MOST_NAMED
    shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#0b62d6"])
    axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, rasterized=not few)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set(xlabel="prediction", ylabel="label")
    if not few:
        return
    short = [f"{name[:15]}…" if len(name) > 16 else name for name in names]
    axes.set_xticks([n + 0.5 for n in range(size)], short, rotation=90 if size > 4 else 0)
    axes.set_yticks([n + 0.5 for n in range(size)], short)
    for row in range(size):
        for column in range(size):
            axes.text(
                column + 0.5, row + 0.5, f"{counts[row, column]:,}", ha="center", va="center",
                size=8 if size <= 12 else 5,
                color="#ffffff" if shares[row, column] > 0.8 else INK,
            )  # fmt: skip
