"""``tlf resume RUN``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.process import settled


@click.command()
@arguments.run_folder
@arguments.changed
def command(run: Path, *, changed: bool) -> None:
    """Go on with a run that was stopped."""
    from tlf.runs.folder import unfinished_run

    folder = unfinished_run(run)  # reported before torch is imported
    tlf.show(settled(tlf.resume(folder, changed=changed)))
