"""``tlf soup RUN RUN…``."""

from pathlib import Path

import click

import tlf
from tlf.cli import arguments
from tlf.cli.output import complain, echo, warnings_as_notes
from tlf.cli.process import stopped_cleanly
from tlf.errors import in_shell

EXAMPLES = """\b
Examples:
  tlf soup runs/a runs/b runs/c
  tlf soup runs/* --uniform --output soups/all
"""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True, metavar="RUN... [data.KEY=VALUE]...")
@click.option("--uniform", is_flag=True, help="Average all runs, whatever they add.")
@click.option(
    "--data", metavar="FOLDER|CSV",
    help="Images to choose by: a folder of class folders, or a CSV file of paths and labels.  "
    "[default: the runs' own]",
)  # fmt: skip
@click.option(
    "--split", metavar="NAME",
    help="train, eval, or as the data calls it; test images of the runs only with --uniform.  "
    "[default: eval, else all images]",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder to write; a number is added if it exists.  [default: soups/greedy or "
    "soups/uniform]",
)  # fmt: skip
def command(
    runs: tuple[str, ...], uniform: bool, data: str | None, split: str | None, output: Path | None
) -> None:
    """Average the weights of several runs that share their start.

    The most accurate run is the first of the soup. Each other run is kept if the soup is no less
    accurate with it. The mean is written into a new folder, which is used as that of a run:
    tlf predict, tlf evaluate and tlf export take it.
    """
    from tlf.cli.image_progress import with_progress

    overrides, folders = arguments.split_overrides(runs)
    with warnings_as_notes(), stopped_cleanly():
        soup = tlf.soup(
            folders, overrides, uniform=uniform, data=data, split=split, output=output,
            watch=with_progress, say=complain,
        )  # fmt: skip
    echo(f"{soup}\n\nmodel     {soup.folder / 'model.safetensors'}, with soup.json beside it")
    echo(f"try it    tlf predict {in_shell(soup.folder)} IMAGE…")
