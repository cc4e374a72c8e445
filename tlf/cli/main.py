"""Run a command, print errors without a traceback, return the exit code."""

import click

import tlf
from tlf.cli.group import Commands, missing
from tlf.cli.out_of_memory import explain_out_of_memory
from tlf.errors import StoppedError, TlfError


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

    0 on success, 2 on error (one message on stderr), 130 after Ctrl-C, 143 after SIGTERM. An error
    of tlf's own, which no user can fix, is raised with its traceback.
    """
    try:
        return cli(standalone_mode=False) or 0
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.MissingParameter as error:
        click.echo(f"error: {missing(error)}", err=True)
    except click.ClickException as error:
        error.show()
    except StoppedError as error:
        click.echo(str(error), err=True)
        return 143 if error.by == "SIGTERM" else 130
    except TlfError as error:
        click.echo(f"error: {error}", err=True)
    except (MemoryError, RuntimeError) as error:
        if (message := explain_out_of_memory(error)) is None:
            raise
        click.echo(f"error: {message}", err=True)
    return 2
