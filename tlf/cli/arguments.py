"""Arguments and options that several commands share."""

from pathlib import Path

import click

recipe = click.argument("recipe", type=click.Path(path_type=Path))
run_folder = click.argument("run", type=click.Path(path_type=Path))
overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
