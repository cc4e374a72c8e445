"""The report of a run that the command line has shown: written, or the command that writes it."""

from pathlib import Path
from typing import TYPE_CHECKING

import tlf
from tlf.cli.output import complain, echo
from tlf.errors import in_shell

if TYPE_CHECKING:
    from tlf.results import RunResult

SECONDS = 30.0
"""After a run of so many, ``report = "auto"`` writes the report."""


def report_at_end(result: "RunResult | None") -> None:
    """Write ``report.html`` into a run's folder, or say what writes it, as its recipe has it.

    The run has ended: a report that cannot be written is no error of the run.
    """
    from tlf.runs.folder import recorded_recipe
    from tlf.runtime.cores import is_first, processes

    if result is None or not is_first():
        return
    wanted = recorded_recipe(Path(result.folder)).get("report", "auto")
    command = f"tlf report {in_shell(result.folder)}"
    if wanted is True or (wanted == "auto" and result.seconds >= SECONDS):
        # The other processes have ended, and a report would wait for them.
        if processes() > 1:
            echo(f"report    {command}")
        else:
            _write(result.folder, command)
    elif wanted == "auto":
        echo(f"report    {command}")


def _write(folder: str, command: str) -> None:
    try:
        path = tlf.write_report(folder)
    except Exception as error:  # whatever it is, the model is trained and written
        complain(f"note: there is no report: {error or type(error).__name__}")
        complain(f"note: the run has ended well; write its report with: {command}")
    else:
        echo(f"report    {path}")
