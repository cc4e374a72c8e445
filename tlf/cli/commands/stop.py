"""``tlf stop RUN``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import echo
from tlf.errors import in_shell
from tlf.runs.folder import has_ended, more_epochs
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
    go_on = more_epochs(run) if has_ended(run) else f"tlf resume {in_shell(run)}"
    echo(f"{ended}\nmodel     {run}/model.safetensors\ngo on     {go_on}")
