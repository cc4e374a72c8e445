"""``tlf history RUN...``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import tlf
from tlf.cli.output import say
from tlf.errors import RunError
from tlf.results import EpochResult

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--stages",
    is_flag=True,
    help="Add how each stage trained in every epoch, and what each segment left unchanged.",
)
@click.option(
    "--plot", is_flag=True, help="Draw the learning curves of each run instead of its epochs."
)
def command(runs: tuple[Path, ...], *, stages: bool, plot: bool) -> None:
    """Print a run's epochs, or several runs side by side.

    A star marks the best epoch. Train top-1 is measured in the training steps: on augmented images,
    while the model changes.
    """
    from rich.console import Console

    from tlf.cli.epochs import history_lines, segment_lines, side_by_side, stage_lines
    from tlf.runs.history import monitor_of, read_notes

    console = Console()
    histories = {str(one): [*tlf.read_history(one)] for one in runs}
    monitors = {str(one): monitor_of(one) for one in runs}
    if plot:
        lines = [*curves(histories, monitors, console)]
    elif len(histories) > 1:
        lines = [*side_by_side(histories, monitors)]
    else:
        (name,) = histories
        lines = [*history_lines(histories[name], monitors[name])]
    for name in histories:
        of_run = f"{name}: " if len(histories) > 1 else ""
        lines += [f"note: {of_run}{note.partition(chr(10))[0]}" for note in read_notes(name)]
    for name, epochs in histories.items() if stages else ():
        title = [name] if len(histories) > 1 else []
        segments = segment_lines(tlf.read_segments(name))
        lines += ["", *title, *stage_lines(epochs), "", *segments]
    for line in lines:
        say(console, line)


def curves(
    histories: Mapping[str, Sequence[EpochResult]], monitors: Mapping[str, str], console: "Console"
) -> Iterator[str]:
    """The learning curves of each run, as wide as the console, and its best epoch."""
    from tlf.cli.charts.canvas import characters_of
    from tlf.cli.charts.curves import curve_lines
    from tlf.runs.history import best_of

    characters = characters_of(console.encoding)
    for number, (name, epochs) in enumerate(histories.items()):
        if len(histories) > 1:
            yield from ["", name] if number else [name]
        try:
            segments = [*tlf.read_segments(name)]
        except RunError:  # an older tlf wrote none: where something thaws is not marked
            segments = []
        best = best_of(epochs, monitors[name])
        yield from curve_lines(epochs, segments, best, console.width, characters)
        if best is not None:
            by = f"the best epoch, by {monitors[name]}"
            yield f"{characters.best} {by}: {best.phase} {best.epoch + 1}"
