"""``tlf stop RUN``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.errors import in_shell
from tlf.runs.stop import TIMEOUT


@click.command()
@arguments.run_folder
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=TIMEOUT, show_default=True,
    metavar="SECONDS", help="How long to wait for the end of the run.",
)  # fmt: skip
def command(run: Path, timeout: float) -> None:
    """End a running run within seconds, with its best model."""
    ended = tlf.stop(run, timeout)
    echo(f"{ended}\nmodel     {run}/model.safetensors\ngo on     tlf resume {in_shell(run)}")
