"""``tlf history RUN``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.results import EpochResult


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
    yield (
        f"{'phase':<{width}}  epoch  train loss  eval loss    top-1        lr  images/s  seconds"
    )
    for one in history:
        yield (
            f"{one.phase:<{width}}  {one.epoch + 1:5}  {one.train_loss:10.4f}  "
            f"{one.eval_loss:9.4f}  {one.eval_top1:7.2%}  {one.lr:8.2e}  "
            f"{one.images_per_second:10.0f}  {one.seconds:7.1f}"
        )
