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

    # Of several processes, one may have the folder, and own it already.
    if processes() == 1:
        check_free(unfinished_run(run))  # an error is reported before torch is imported
    tlf.show(settled(tlf.resume(run, changed=changed)))
