"""What notebooks show of a result that a cell returns: small tables, and lines of text."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlf.results import EpochResult

MOST_ROWS = 50
"""A table shows so many rows; of more, the first and the last ones."""


class Printed(ABC):
    """A result that ``print`` and a notebook show as the command line does."""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """What the command line prints, line by line."""

    def __str__(self) -> str:
        """The lines."""
        return "\n".join(self.lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401 - IPython's
        """What IPython shows."""
        printer.text(str(self))


def html_table(caption: str, columns: Sequence[str], rows: Sequence[Iterable[object]]) -> str:
    """A table as HTML, without script or style. Every text is escaped.

    >>> html_table("<run>", ["loss"], [[0.5]])
    '<table><caption>&lt;run&gt;</caption><tr><th>loss</th></tr><tr><td>0.5</td></tr></table>'
    """
    from html import escape

    left_out = len(rows) - MOST_ROWS
    if left_out > 0:
        half = MOST_ROWS // 2
        rows = [*rows[:half], [f"… {left_out:,} more", *[""] * (len(columns) - 1)], *rows[-half:]]
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def epoch_table(caption: str, epochs: Sequence["EpochResult"]) -> str:
    """Epochs as a table."""
    found = {name: one.metric(name) for one in epochs for name in one.metrics}
    metrics = [*found.values()]
    rows = [
        [
            one.phase,
            one.epoch + 1,
            f"{one.train_loss:.4f}",
            *(m.shown(one.metrics[m.name]) if m.name in one.metrics else "–" for m in metrics),
            f"{one.lr:.2e}",
            f"{one.seconds:.1f}",
        ]
        for one in epochs
    ]
    titles = [f"eval {metric.title}" for metric in metrics]
    return html_table(caption, ["phase", "epoch", "train loss", *titles, "lr", "seconds"], rows)
