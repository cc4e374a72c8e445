"""What trained, for papers. A page shows it as a table that can be walked through."""

from itertools import accumulate, pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from tlf.reports.plots.plot import FROZEN, INK, TRAINS, Plot, Table, number
from tlf.reports.stage_timeline import Cell, Strip
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {
    "frozen": (FROZEN, "////"),
    "trains": (TRAINS, ""),
    "both": (TRAINS, "////"),
    "unknown": ("none", ""),
}
"""State → colour and pattern: colours alone say nothing."""

MOST_NAMED = 8
"""So many phases have their names in the plot."""

MOST_NUMBERED = 20
"""So many columns have the number of their epoch."""

WORDS = {"both": "frozen in a part", "unknown": "not measured"}
"""State → how it is called, where its name does not say it."""


def stages_plot(strip: Strip) -> Plot:
    """Which stage trained in which epoch."""
    names = [printable(row.name) for row in strip.rows]
    stages = "; ".join(
        f"{name}: {_summary(row.cells)}" for name, row in zip(names, strip.rows, strict=True)
    )
    return Plot(
        "stages",
        "What trained",
        f"Stages from the head down, in {len(strip.columns)} columns of epochs. {stages}.",
        lambda figure: _draw(figure, strip, names),
        stage_table(strip),
        height=max(2.2, 1.2 + 0.28 * len(names)),
    )


def _summary(cells: tuple[Cell, ...]) -> str:
    counts = {state: sum(cell.state == state for cell in cells) for state in LOOKS}
    return ", ".join(
        f"{WORDS.get(state, state)} in {count}" for state, count in counts.items() if count
    )


def stage_table(strip: Strip) -> Table:
    """Every cell in words, column after column."""
    rows = tuple(
        (column, row.name, *cell_words(row.cells[n]))
        for n, column in enumerate(strip.columns)
        for row in strip.rows
    )
    columns = ("epoch", "stage", "state", "lr", "gradient norm", "update ratio")
    note = "neighbours are shown together: the highest rates, and means" if strip.shared else ""
    return Table(columns, rows, note)


def cell_words(cell: Cell) -> tuple[str, str, str, str]:
    """The state, learning rate, gradient norm and update ratio of a cell."""
    state = WORDS.get(cell.state, cell.state)
    if cell.state in ("frozen", "unknown"):
        return state, "–", "–", "–"
    lr = number(cell.lr, ".2e") if cell.lr else "–"
    return state, lr, number(cell.grad_norm, ".3g"), number(cell.update_ratio, ".2e")


def _number_epochs(axes: "Axes", strip: Strip) -> None:
    """Number the columns, or every n-th one, above the names of the phases."""
    shown = range(0, len(strip.columns), ceil(len(strip.columns) / MOST_NUMBERED) or 1)
    axes.xaxis.remove_overlapping_locs = False  # a phase of one epoch has both at one place
    axes.set_xticks(
        [n + 0.5 for n in shown], [str(strip.epochs[n]) for n in shown], minor=True, size=8
    )
    axes.tick_params(which="both", length=0)
    axes.tick_params(axis="x", which="major", pad=16)


def _draw(figure: "Figure", strip: Strip, names: list[str]) -> None:
    from matplotlib.patches import Patch, Rectangle

    axes = figure.subplots()
    looks: dict[str, Any] = {
        state: {"facecolor": colour, "hatch": pattern, "edgecolor": "white", "linewidth": 0.5}
        for state, (colour, pattern) in LOOKS.items()
    }
    for y, row in enumerate(strip.rows):
        for x, cell in enumerate(row.cells):
            axes.add_patch(Rectangle((x, y), 1, 1, **looks[cell.state]))
    ends = [0, *accumulate(columns for _, columns in strip.phases)]
    for end in ends[1:-1]:
        axes.axvline(end, color=INK, linewidth=1.5)
    axes.set(xlim=(0, max(1, len(strip.columns))), ylim=(max(1, len(names)), 0))
    axes.set_yticks([n + 0.5 for n in range(len(names))], names, size=8)
    few = len(strip.phases) <= MOST_NAMED
    phases = [printable(phase) if few else "" for phase, _ in strip.phases]
    axes.set_xticks([(start + end) / 2 for start, end in pairwise(ends)], phases)
    _number_epochs(axes, strip)
    axes.set_xlabel("phases and their epochs")
    seen = dict.fromkeys(cell.state for row in strip.rows for cell in row.cells)
    handles = [Patch(**looks[state], label=WORDS.get(state, state)) for state in seen]
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
