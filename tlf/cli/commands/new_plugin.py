"""``tlf new-plugin NAME``."""

from pathlib import Path

import click

import tlf
from tlf.cli.output import echo


@click.command()
@click.argument("name")
@click.option(
    "--hook", default="freeze_policies", show_default=True, metavar="HOOK",
    help="What it does: a hook of plugins/README.md, such as heads, commands or epoch_ended.",
)  # fmt: skip
def command(name: str, hook: str) -> None:
    """Write a new plugin that works, in the folder tlf-NAME."""
    from tlf.plugins.scaffold import find_starter

    starter = find_starter(hook)
    folder = tlf.write_plugin(name, Path(), hook)
    what = starter.about[0].lower() + starter.about[1:]
    echo(
        f"{folder} holds a plugin that works: {what}, its test, a README. Next:\n"
        f"    pip install -e {folder}\n"
        f"    pytest {folder}\n"
        f"    {starter.use.replace('$name', name)}"
    )
