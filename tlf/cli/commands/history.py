"""``tlf history RUN``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.results import EpochResult
from tlf.tasks import METRICS
from tlf.tasks.metric import LOSS


@click.command()
@arguments.run_folder
def command(run: Path) -> None:
    """Print the epochs of a run."""
    from rich.console import Console

    for line in history_lines(tlf.read_history(run)):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def history_lines(results: Iterable[EpochResult]) -> Iterator[str]:
    """Epochs as lines under a header."""
    history = list(results)
    width = max([len("phase"), *(len(result.phase) for result in history)])
    names = dict.fromkeys(name for one in history for name in one.metrics)
    metrics = [METRICS[name] for name in names if name != LOSS.name]
    titles = "".join(f"{metric.title:>9}" for metric in metrics)
    yield (f"{'phase':<{width}}  epoch  train loss  eval loss{titles}        lr  images/s  seconds")
    for one in history:
        figures = "".join(f"{metric.shown(one.metrics[metric.name]):>9}" for metric in metrics)
        yield (
            f"{one.phase:<{width}}  {one.epoch + 1:5}  {one.train_loss:10.4f}  "
            f"{one.eval_loss:9.4f}{figures}  {one.lr:8.2e}  "
            f"{one.images_per_second:8.0f}  {one.seconds:7.1f}"
        )
