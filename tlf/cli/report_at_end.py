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
    folder = Path(result.folder)
    setting = recorded_recipe(folder).get("report", "auto")
    # A report that is there already shows the run as it was before it was resumed.
    due = result.seconds >= SECONDS or (folder / "report.html").is_file()
    if setting is False:
        return
    # What makes a report would wait for other processes, which have ended.
    if (setting is True or due) and processes() == 1:
        _write(folder)
    else:
        echo(f"report    {_command(folder)}")


def _write(folder: Path) -> None:
    from tlf.reports.run_report import page_path, reported

    path = page_path(folder)
    try:
        tlf.show(reported(folder, path, neighbours=_has_features(folder)))
    except Exception as error:  # whatever it is, the model is trained and written
        complain(f"note: there is no report: {str(error) or type(error).__name__}")
        complain(f"note: the run has ended well; write its report with: {_command(folder)}")
    else:
        echo(f"report    {path}")


def _has_features(folder: Path) -> bool:
    """Whether a run has trained from the stored output of its whole backbone: the embeddings of
    its images then cost little.
    """
    return all(segment.start == "features" for segment in tlf.read_segments(folder))


def _command(folder: Path) -> str:
    return f"tlf report {in_shell(folder)}"
