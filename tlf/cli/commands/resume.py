"""``tlf resume RUN``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.process import settled
from tlf.cli.report_at_end import report_at_end


@click.command()
@arguments.run_folder
@arguments.overrides
@click.option(
    "--changed",
    is_flag=True,
    help="Resume although code, versions or images have changed; record it.",
)
def command(run: Path, overrides: tuple[str, ...], *, changed: bool) -> None:
    """Resume a stopped run, or train one that has ended further.

    KEY=VALUE arguments change the recipe from here on: phases.all.lr=1e-4, or
    phases.all.epochs=20, the old epochs and the new ones together.
    """
    from tlf.runs.folder import resumable_run
    from tlf.runs.owner import check_free
    from tlf.runtime.cores import processes

    # Of several processes, one may have the folder, and own it already.
    if processes() == 1:
        # An error is reported before torch is imported.
        check_free(resumable_run(run, further=bool(overrides)))
    report_at_end(tlf.show(settled(tlf.resume(run, overrides, changed=changed))))
