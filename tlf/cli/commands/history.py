"""``tlf history RUN...``."""

from pathlib import Path

import click

import tlf
from tlf.cli.output import say
from tlf.results import EVAL
from tlf.tasks import DEFAULT_MONITOR, MONITORS


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--stages",
    is_flag=True,
    help="Add how each stage trained in every epoch, and what each segment left unchanged.",
)
def command(runs: tuple[Path, ...], *, stages: bool) -> None:
    """Print a run's epochs, or several runs side by side.

    A star marks the best epoch. Train top-1 is measured in the training steps: on augmented images,
    while the model changes.
    """
    from rich.console import Console

    from tlf.cli.epochs import history_lines, segment_lines, side_by_side, stage_lines
    from tlf.runs.history import read_notes

    console = Console()
    histories = {str(one): [*tlf.read_history(one)] for one in runs}
    monitors = {str(one): monitor_of(one) for one in runs}
    if len(histories) > 1:
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


def monitor_of(run: Path) -> str:
    """The figure that decides which epoch of a run is the best."""
    from tlf.runs.folder import recorded_recipe

    # Its epochs may be all that is left of a run.
    monitor = recorded_recipe(run).get("monitor")
    name = monitor if isinstance(monitor, str) else ""
    return name if name in MONITORS or name.startswith(EVAL) else DEFAULT_MONITOR
