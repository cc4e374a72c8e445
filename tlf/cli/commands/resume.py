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
    """Resume a run that was stopped."""
    from tlf.runs.folder import unfinished_run
    from tlf.runs.owner import check_free
    from tlf.runtime.cores import processes

    folder = unfinished_run(run)  # an error is reported before torch is imported
    if processes() == 1:  # of several, one may own it already
        check_free(folder)
    tlf.show(settled(tlf.resume(folder, changed=changed)))
