"""Tables and lines that several commands print."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

from tlf.cli.output import cell
from tlf.events import Audit
from tlf.results import EpochResult
from tlf.tasks import describe

if TYPE_CHECKING:
    from tlf.runs.explain import StageRow


def merged(rows: "Iterable[StageRow]") -> "Iterator[StageRow]":
    """Merge neighbouring stages with the same state and rates into one row; the head stays apart.

    >>> from tlf.runs.explain import StageRow
    >>> rows = [StageRow(stage, 10, 0, ()) for stage in ("stem", "layer1", "layer2", "head")]
    >>> [(row.stage, row.parameters) for row in merged(rows)]
    [('stem … layer2', 30), ('head', 10)]
    """
    for _, group in groupby(rows, key=lambda row: (row.stage == "head", row.state, row.rates)):
        stages = list(group)
        ends = dict.fromkeys((stages[0].stage, stages[-1].stage))
        yield replace(
            stages[0],
            stage=" … ".join(ends),
            parameters=sum(row.parameters for row in stages),
            trainable=sum(row.trainable for row in stages),
        )


def stage_table(rows: "Iterable[StageRow]") -> Table:
    """Stage × parameters × frozen or trainable × learning rate."""
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("stage")
    table.add_column("parameters", justify="right")
    table.add_column("state")
    table.add_column("lr", justify="right")
    for row in rows:
        rates = " … ".join(
            f"{rate:.2e}" for rate in dict.fromkeys((*row.rates[:1], *row.rates[-1:]))
        )
        style = "dim" if row.state == "frozen" else ""
        table.add_row(cell(row.stage), f"{row.parameters:,}", row.state, rates or "–", style=style)
    return table


def audit_lines(audit: Audit) -> "Iterator[str]":
    """What a segment has left as it was, and what it has changed.

    >>> [*audit_lines(Audit(frozen=1816560, trained=2))]
    ['frozen    1,816,560 values unchanged, bit for bit', 'trained   2 of 2 tensors moved']
    """
    if audit.frozen:
        yield f"frozen    {audit.frozen:,} values unchanged, bit for bit"
    yield f"trained   {audit.trained - len(audit.unmoved)} of {audit.trained} tensors moved"


def epoch_text(result: EpochResult, width: int = 0) -> str:
    """The line about a finished epoch. ``width``: the length of the longest phase name."""
    return (
        f"{result.phase:<{width}} {result.epoch + 1:>3}  "
        f"loss {result.train_loss:.4f} train, {result.eval_loss:.4f} eval  "
        f"{describe(result.metrics, width=6)}  "
        f"{result.images_per_second:.0f} images/s  {result.seconds:.1f} s"
    )
