"""``tlf history RUN``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import say
from tlf.results import EpochResult
from tlf.tasks import metric_of
from tlf.tasks.metric import LOSS, Metric


@click.command()
@arguments.run_folder
def command(run: Path) -> None:
    """Print a table of a run's epochs, and the notes about its images."""
    from rich.console import Console

    from tlf.runs.history import read_notes

    for line in history_lines(tlf.read_history(run)):
        say(Console(), line)
    for note in read_notes(run):
        first, *_ = note.split("\n")
        say(Console(), f"note: {first}")


def history_lines(results: Iterable[EpochResult]) -> Iterator[str]:
    """A table: a header, then a line for each epoch."""
    epochs = list(results)
    width = max([len("phase"), *(len(epoch.phase) for epoch in epochs)])
    names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics)
    metrics = [metric_of(name) for name in names if name != LOSS.name]
    titles = "".join(f"{metric.title:>9}" for metric in metrics)
    yield (f"{'phase':<{width}}  epoch  train loss  eval loss{titles}        lr  images/s  seconds")
    for epoch in epochs:
        figures = "".join(f"{_shown(metric, epoch):>9}" for metric in metrics)
        yield (
            f"{epoch.phase:<{width}}  {epoch.epoch + 1:5}  {epoch.train_loss:10.4f}  "
            f"{epoch.eval_loss:9.4f}{figures}  {epoch.lr:8.2e}  "
            f"{epoch.images_per_second:8.0f}  {epoch.seconds:7.1f}"
        )


def _shown(metric: Metric, epoch: EpochResult) -> str:
    """A figure, or a dash where an epoch was not measured by it."""
    figure = epoch.metrics.get(metric.name)
    return "–" if figure is None else metric.shown(figure)
