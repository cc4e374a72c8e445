"""What trained: which stage was frozen in which epoch, how the others moved, and the proof."""

from typing import TYPE_CHECKING

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.stages import cell_words, stages_plot
from tlf.reports.stage_timeline import Cell, strip

if TYPE_CHECKING:
    from tlf.reports.report import Content

MOST_SEGMENTS = 100
"""So many audits are listed at most."""

LETTERS = {"frozen": "F", "trains": "T", "both": "B", "unknown": "?"}
"""State → what stands in a cell."""


def panel(report: "Content") -> Panel | None:
    """Stages and epochs; None where the page is about no run."""
    run = report.run
    if run is None or not run.history:
        return None
    cells = strip(run.history)
    states = {cell.state for row in cells.rows for cell in row.cells}
    html = render(
        "what-trained.html",
        strip=cells,
        plot=stages_plot(cells),
        segments=run.segments,
        most=MOST_SEGMENTS,
        letters=LETTERS,
        words=words,
        both="both" in states,
        unknown="unknown" in states,
    )
    return Panel("what-trained", "What trained", html)


def words(cell: Cell) -> str:
    """A cell in a line."""
    state, lr, gradient, update = cell_words(cell)
    if cell.state in ("frozen", "unknown"):
        return state
    return f"{state}; lr {lr}, gradient norm {gradient}, update ratio {update}"
