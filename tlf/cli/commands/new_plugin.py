"""``tlf new-plugin NAME``."""

from pathlib import Path

import click

import tlf
from tlf.cli.output import echo


@click.command()
@click.argument("name")
def command(name: str) -> None:
    """Write a new plugin that works, in the folder tlf-NAME."""
    folder = tlf.write_plugin(name, Path())
    echo(
        f"{folder} holds a plugin that works: a freeze policy, its test, a README. Next:\n"
        f"    pip install -e {folder}\n"
        f"    pytest {folder}\n"
        f"    tlf explain RECIPE phases.0.freeze={name}:ends"
    )
