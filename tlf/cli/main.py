"""The command line: runs a command and gives its exit code; prints errors without a traceback."""

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
    """Run a command and give its exit code; what a user can mend is told in one message: 2."""
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
        if (short := explain_out_of_memory(error)) is None:
            raise
        click.echo(f"error: {short}", err=True)
    return 2
