"""Run a command, print errors without a traceback, return the exit code."""

from io import StringIO

import click

import tlf
from tlf.cli.group import Commands, key_instead, missing
from tlf.cli.out_of_memory import explain_out_of_memory
from tlf.cli.output import complain, flush
from tlf.cli.process import check_working_directory
from tlf.data.listing.progress import listing_reported
from tlf.errors import OutputError, StoppedError, TlfError


@click.group(
    cls=Commands,
    default="run",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(tlf.__version__, prog_name="tlf")
def cli() -> None:
    """Turn a pretrained image backbone into a classifier for your own images."""


def main() -> int:
    """Run a command and return its exit code.

    0 on success, 2 on error (one message on stderr), 130 after Ctrl-C, 141 where the reader of
    stdout has ended (no message), 143 after SIGTERM. An error of tlf's own, which no user can fix,
    is raised with its traceback.
    """
    try:
        check_working_directory()
        with listing_reported(complain):
            status: int = cli(standalone_mode=False) or 0
        flush()
    except (click.exceptions.Abort, click.ClickException, TlfError) as error:
        return _report(error)
    except (MemoryError, RuntimeError) as error:
        if (message := explain_out_of_memory(error)) is None:
            raise
        complain(f"error: {message}")
        return 2
    return status


def _report(error: Exception) -> int:
    """Print what went wrong; return the exit code."""
    match error:
        case OutputError(unread=True):
            return 141
        case click.exceptions.Abort():
            complain("interrupted")
            return 130
        case StoppedError():
            complain(str(error))
            return 143 if error.by == "SIGTERM" else 130
        case click.MissingParameter():
            complain(f"error: {missing(error)}")
        case click.ClickException():
            error.show(text := StringIO())
            complain(text.getvalue().rstrip("\n"))
            if isinstance(error, click.NoSuchOption) and (instead := key_instead(error)):
                complain(instead)
        case _:
            complain(f"error: {error}")
    return 2
